"use strict";
// The pointer reads all plots at one moment. Without this script the page lacks nothing else.
(() => {
  const { moments, shares, plots } = JSON.parse(document.getElementById("data").textContent);
  const boxes = [...document.querySelectorAll(".area-box")];
  const number = new Intl.NumberFormat("en");

  const nearest = (share) => {
    let low = 0;
    let high = shares.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (shares[middle] < share) low = middle + 1;
      else high = middle;
    }
    return low > 0 && share - shares[low - 1] < shares[low] - share ? low - 1 : low;
  };

  const show = (share) => {
    const at = nearest(share);
    boxes.forEach((box, index) => {
      const cursor = box.querySelector(".cursor");
      cursor.hidden = false;
      cursor.style.left = `${shares[at] * 100}%`;
      cursor.classList.toggle("left", shares[at] > 0.55);
      const told = document.createElement("span");
      const lines = plots[index].map(([name, column]) => `${number.format(column[at])} ${name}`);
      told.textContent = [moments[at], ...lines].join("\n");
      cursor.replaceChildren(told);
    });
  };

  const hide = () => boxes.forEach((box) => { box.querySelector(".cursor").hidden = true; });

  for (const box of boxes) {
    box.addEventListener("pointermove", (event) => {
      const { left, width } = box.getBoundingClientRect();
      show(Math.min(1, Math.max(0, (event.clientX - left) / width)));
    });
    box.addEventListener("pointerleave", hide);
  }
})();
