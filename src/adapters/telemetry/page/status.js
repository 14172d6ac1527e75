"use strict";
// Asks /status.json every two seconds and shows it; everything goes in as text, so that no name can be markup.
const EVERY_MS = 2000, GIVE_UP_MS = 6000, SILENT_MS = 5000;
const at = (id) => document.getElementById(id);
let answered = null; // when the last answer came, and what it was: ms of this page's own clock, never of the host's
let before = null; // the answer before it, for what happens a second

const whole = (n) => n === null || n === undefined ? "not known" : Math.round(n).toLocaleString("en-US");
const bytes = (n) => n >= 1048576 ? (n / 1048576).toFixed(1) + " MiB" : n >= 1024 ? (n / 1024).toFixed(1) + " KiB" : Math.round(n) + " B";
function span(seconds) {
  if (seconds === null || seconds === undefined) return "not known";
  const s = Math.abs(seconds), sign = seconds < 0 ? "-" : "";
  if (s < 1) return sign + (s === 0 ? "0 s" : s.toFixed(1) + " s");
  if (s < 120) return sign + Math.round(s) + " s";
  if (s < 7200) return sign + Math.floor(s / 60) + " min " + Math.round(s % 60) + " s";
  return sign + Math.floor(s / 3600) + " h " + Math.floor(s % 3600 / 60) + " min";
}

// Puts a sentence into an element, and behind it the way to what to do, where that is known.
function say(element, text, place) {
  element.textContent = text;
  if (!place || !answered.told.runbook) return;
  const a = document.createElement("a");
  a.href = answered.told.runbook + place;
  a.rel = "noreferrer";
  a.target = "_blank";
  a.textContent = "what to do";
  element.append(" ", a);
}

// A column: its heading, what it shows of a row, and of which kind: "word" is text, "name" may be long, "long" is a sentence.
function draw(id, columns, rows, none) {
  const head = document.createElement("tr");
  for (const [title, , kind] of columns) {
    const th = document.createElement("th");
    th.scope = "col";
    th.className = kind ? "word" : "";
    th.textContent = title;
    head.append(th);
  }
  const body = rows.map((row) => {
    const tr = document.createElement("tr");
    for (const [, show, kind] of columns) {
      const td = document.createElement("td"), told = show(row);
      const [text, tone, place] = Array.isArray(told) ? told : [told, ""];
      td.className = [kind ? "word" : "", kind === "word" ? "" : kind ?? "", tone].join(" ").trim();
      say(td, text, place);
      tr.append(td);
    }
    return tr;
  });
  if (!rows.length) {
    const tr = document.createElement("tr"), td = document.createElement("td");
    td.colSpan = columns.length;
    td.className = "none";
    td.textContent = none;
    tr.append(td);
    body.push(tr);
  }
  const thead = document.createElement("thead"), tbody = document.createElement("tbody");
  thead.append(head);
  tbody.append(...body);
  at(id).replaceChildren(thead, tbody);
}

const name = (process) =>
  process.worker === null ? "the only one" : (process.config ? process.config + ": " : "") + "worker " + process.worker;
const each = (told, list) => told.processes.flatMap((p) => p[list].map((x) => ({ ...x, process: p })));
const several = (told) => told.processes.length > 1;

function rate(row, what) {
  const seconds = before ? (answered.ms - before.ms) / 1000 : 0;
  const then = before && before.told.processes.find((p) => p.worker === row.process.worker && p.config === row.process.config);
  const was = then && then.routes.find((r) => r.route === row.route);
  if (!was || seconds <= 0 || row[what] < was[what]) return null;
  return (row[what] - was[what]) / seconds;
}

function show() {
  const { told } = answered, of = several(told) ? [["process", (x) => name(x.process), "word"]] : [];
  const count = told.reasons_count, one = count === 1;
  say(at("verdict"), told.ready ? "doka forwards" : one ? told.reasons[0] : whole(count) + " things keep doka from forwarding", one && told.reasons_at[0]);
  at("verdict").className = told.ready ? "good" : "bad";
  document.title = (told.ready ? "ready" : "NOT READY") + " · " + told.group;
  at("about").textContent = "Group " + told.group + ", doka " + told.version + ", asked every two seconds.";
  at("reasons").replaceChildren(...(count > 1 ? told.reasons : []).map((reason, i) => {
    const li = document.createElement("li");
    say(li, reason, told.reasons_at[i]);
    return li;
  }));
  at("more").textContent = count > told.reasons.length ? "And " + whole(count - told.reasons.length) + " more, which /readyz has." : "";
  const filters = each(told, "routes").some((r) => r.filtered !== null);
  draw("routes", [
    ["route", (r) => r.route, "name"], ["state", (r) => r.blocked ? ["blocked: " + r.blocked, "bad", r.blocked_at] : ["may send", "good"], "long"],
    ["stream", (r) => r.stream ?? "", "name"], ...of,
    ["records/s", (r) => { const n = rate(r, "settled"); return n === null ? "" : whole(n); }],
    ["data/s", (r) => { const n = rate(r, "settled_bytes"); return n === null ? "" : bytes(n); }],
    ["settled", (r) => whole(r.settled)], ...(filters ? [["filtered", (r) => r.filtered === null ? "" : whole(r.filtered)]] : []),
    ["sent again", (r) => whole(r.failed)],
    ["in flight", (r) => whole(r.in_flight)], ["waiting", (r) => whole(r.waiting)],
    ["partitions", (r) => whole(r.partitions)], ["stuck", (r) => [whole(r.stuck), r.stuck ? "bad" : ""]],
    ["lag", (r) => whole(r.lag)], ["lag, time", (r) => span(r.lag_seconds)],
  ], each(told, "routes").sort((a, b) => (b.blocked !== null) - (a.blocked !== null)), "No process has told of its routes yet.");
  draw("partitions", [
    ["partition", (p) => p.topic + "[" + p.partition + "]", "name"], ...of,
    ["lag", (p) => whole(p.lag)], ["lag, time", (p) => span(p.lag_seconds)], ["waits", (p) => span(p.waiting_seconds)],
    ["held", (p) => span(p.age_seconds)], ["un-settled", (p) => whole(p.unsettled)], ["ahead", (p) => whole(p.ahead)],
    ["", (p) => p.stuck ? [p.stuck, "bad", p.stuck_at] : p.paused ? ["paused", "warn"] : "", "long"],
  ], urgent(told), "No partition is owned.");
  const owned = told.processes.reduce((sum, p) => sum + p.partitions_owned, 0), drawn = urgent(told).length;
  const old = Math.max(0, ...told.processes.map((p) => p.partitions_age_seconds));
  at("some").textContent = (owned > drawn ? "the " + drawn + " of " + whole(owned) + " that wait longest" : whole(owned) + ", those that wait longest first")
    + (old >= 1 ? ", as they were " + span(old) + " ago" : "");
  draw("processes", [
    ["process", name, "word"], ["records held", (p) => bytes(p.held_bytes)], ["of at most", (p) => bytes(p.held_bytes_max)],
    ["partitions", (p) => whole(p.partitions_owned)], ["runs for", (p) => span(p.uptime_seconds)],
    ["rebalances: given", (p) => whole(p.rebalances.assigned)], ["taken back", (p) => whole(p.rebalances.revoked)],
    ["lost", (p) => [whole(p.rebalances.lost), p.rebalances.lost ? "warn" : ""]], ["throttled by Kafka", (p) => span(p.throttled_seconds)],
    ["", (p) => p.draining ? ["draining", "warn"] : "", "word"],
  ], told.processes, "Nothing was heard of a process yet.");
  count();
}

function urgent(told) {
  const found = each(told, "partitions");
  if (several(told)) found.sort((a, b) => (b.stuck !== null) - (a.stuck !== null) || b.lag_seconds - a.lag_seconds || b.lag - a.lag);
  return found.slice(0, 200);
}

// What runs on between two answers, or without one.
function count() {
  if (!answered) return;
  const passed = (performance.now() - answered.ms) / 1000, { told } = answered;
  draw("leases", [
    ["role", (l) => l.role, "name"], ...(several(told) ? [["process", (x) => name(x.process), "word"]] : []),
    ["state", (l) => [l.state, l.state === "fresh" ? "good" : l.wanted ? "bad" : "warn"], "word"],
    ["ends in", (l) => !l.has_end ? "no end" : l.seconds_left === null ? "none" : span(l.seconds_left - passed)],
  ], each(told, "leases"), "No role is assumed: the credentials of the process sign.");
  const silent = passed * 1000 > SILENT_MS;
  for (const part of document.querySelectorAll("main, #verdict")) part.classList.toggle("stale", silent);
  if (silent) {
    at("about").textContent = "No answer for " + span(passed) + ": what stands here is as old.";
    document.title = "no answer · doka";
  }
}

async function ask() {
  try {
    const answer = await fetch("status.json", { cache: "no-store", signal: AbortSignal.timeout(GIVE_UP_MS) });
    if (!answer.ok) throw new Error((await answer.text()).trim());
    const told = await answer.json();
    if (told.format !== 1) throw new Error("this page is of another version of doka: load it again");
    before = answered;
    answered = { ms: performance.now(), told };
    show();
  } catch (error) {
    if (!answered) at("about").textContent = "No answer yet: " + error.message;
    count();
  }
  setTimeout(ask, EVERY_MS);
}

setInterval(count, 1000);
ask();
