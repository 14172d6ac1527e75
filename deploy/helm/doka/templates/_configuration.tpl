{{/*
What the chart computes from the configuration. It sets what it computes with as variables, which go before the file, so
that its figures are those in effect whatever the file or envFrom says.
*/}}

{{/* The whole configuration, {} where a ConfigMap of yours holds it; missing groups are empty ones. */}}
{{- define "doka.config" -}}
{{- $config := deepCopy (.Values.config | default dict) -}}
{{- range $group := list "kafka" "aws" "limits" "http" -}}
{{- if not (get $config $group) -}}{{- $_ := set $config $group dict -}}{{- end -}}
{{- end -}}
{{- toJson $config -}}
{{- end -}}

{{- define "doka.drainSeconds" -}}
{{- $config := include "doka.config" . | fromJson -}}
{{- if .Values.existingConfigMap.name -}}
{{- .Values.existingConfigMap.drainSeconds -}}
{{- else -}}
{{- $config.limits.drain_seconds | default 25 -}}
{{- end -}}
{{- end -}}

{{/* The drain, and 5 s for last words after the group was left. */}}
{{- define "doka.graceSeconds" -}}
{{- $least := add (include "doka.drainSeconds" . | float64 | ceil | int64) 5 -}}
{{- $given := .Values.terminationGracePeriodSeconds -}}
{{- if kindIs "invalid" $given -}}
{{- $least -}}
{{- else if lt (int64 $given) $least -}}
{{- fail (printf "terminationGracePeriodSeconds is %d and must be at least %d, limits.drain_seconds and 5 more: a pod that is killed in its drain repeats what it had not committed. Leave it out, or lower config.limits.drain_seconds" (int64 $given) $least) -}}
{{- else -}}
{{- int64 $given -}}
{{- end -}}
{{- end -}}

{{- define "doka.port" -}}
{{- $config := include "doka.config" . | fromJson -}}
{{- if .Values.existingConfigMap.name -}}
{{- .Values.existingConfigMap.port | int64 -}}
{{- else if kindIs "invalid" $config.http.port -}}
9400
{{- else if eq (int64 $config.http.port) 0 -}}
{{- fail "config.http.port is 0, any free port: no probe finds it. Leave it out, or name a port" -}}
{{- else -}}
{{- int64 $config.http.port -}}
{{- end -}}
{{- end -}}

{{- define "doka.host" -}}
{{- $config := include "doka.config" . | fromJson -}}
{{- $host := $config.http.host | default "0.0.0.0" -}}
{{- if or (hasPrefix "127." $host) (has $host (list "localhost" "::1")) -}}
{{- fail (printf "config.http.host is %s, which no probe reaches. Leave it out (0.0.0.0), or take \"::\" for IPv6" $host) -}}
{{- end -}}
{{- $host -}}
{{- end -}}

{{/* The name has the content's hash, so a changed configuration is a rollout. */}}
{{- define "doka.configMap" -}}
{{- if .Values.existingConfigMap.name -}}
{{- .Values.existingConfigMap.name -}}
{{- else -}}
{{- printf "%s-config-%s" (include "doka.fullname" .) (include "doka.file" . | sha256sum | trunc 10) -}}
{{- end -}}
{{- end -}}

{{- define "doka.file" -}}
{{- toYaml .Values.config -}}
{{- end -}}

{{/* MiB for each process: 92 of its own and limits.held_mib, and as much again to spare as docs/operating.md advises. */}}
{{- define "doka.memory" -}}
{{- $config := include "doka.config" . | fromJson -}}
{{- $held := $config.limits.held_mib | default 64 | int64 -}}
{{- $workers := int64 .Values.workers -}}
{{- add (mul $workers (add $held 192)) (ternary 50 0 (gt $workers 1)) -}}
{{- end -}}

{{- define "doka.resources" -}}
{{- if .Values.resources -}}
{{- toYaml .Values.resources -}}
{{- else if .Values.existingConfigMap.name -}}
{{- fail "resources is missing: with existingConfigMap the chart does not know limits.held_mib. Set resources.limits.memory to (limits.held_mib + 192) MiB for each worker, and for one more with existingConfigMap.watch" -}}
{{- else -}}
requests:
  cpu: {{ mul (int64 .Values.workers) 250 }}m
  memory: {{ include "doka.memory" . }}Mi
limits:
  memory: {{ include "doka.memory" . }}Mi
{{- end -}}
{{- end -}}

{{- define "doka.replicasLeast" -}}
{{- if .Values.autoscaling.enabled -}}{{ int64 .Values.autoscaling.minReplicas }}{{- else -}}{{ int64 .Values.replicas }}{{- end -}}
{{- end -}}

{{/* What values.schema.json cannot say, or says in words that name no cure. Included once, by the workload. */}}
{{- define "doka.refuse" -}}
{{- $config := include "doka.config" . | fromJson -}}
{{- if and (not .Values.config) (not .Values.existingConfigMap.name) -}}
{{- fail "config is missing: put the content of doka.yaml below config in your values, or name a ConfigMap of yours in existingConfigMap.name" -}}
{{- end -}}
{{- if and .Values.config .Values.existingConfigMap.name -}}
{{- fail "config and existingConfigMap.name are both set, and only one of them can be read. Take one out" -}}
{{- end -}}
{{- range $key := list "password" "key_password" -}}
{{- if get ($config.kafka.security | default dict) $key -}}
{{- fail (printf "config.kafka.security.%s would stand in a ConfigMap for everybody to read. Put it into a Secret as DOKA_KAFKA__SECURITY__%s and name that in envFrom, or mount it and set %s_file" $key (upper $key) $key) -}}
{{- end -}}
{{- end -}}
{{- $ours := dict "DOKA_LIMITS" "config.limits" "DOKA_LIMITS__DRAIN_SECONDS" "config.limits.drain_seconds" "DOKA_HTTP" "config.http" "DOKA_HTTP__HOST" "config.http.host" "DOKA_HTTP__PORT" "config.http.port" -}}
{{- range .Values.env -}}
{{- $instead := get $ours (upper .name) -}}
{{- if $instead -}}
{{- fail (printf "env sets %s, which the chart computes the pod from. Set %s instead (with existingConfigMap: drainSeconds and port beside its name)" .name $instead) -}}
{{- end -}}
{{- if and (eq $.Values.kind "StatefulSet") (eq (upper .name) "DOKA_KAFKA__GROUP_INSTANCE_ID") -}}
{{- fail "env sets DOKA_KAFKA__GROUP_INSTANCE_ID, which a StatefulSet takes from the pod's name. Take it out" -}}
{{- end -}}
{{- if and (eq $.Values.kind "Deployment") (eq (upper .name) "DOKA_KAFKA__GROUP_INSTANCE_ID") -}}
{{- fail "env sets DOKA_KAFKA__GROUP_INSTANCE_ID for all pods of a Deployment: members with one name throw each other out. Take it out, or set kind: StatefulSet, which gives each pod its own" -}}
{{- end -}}
{{- end -}}
{{- if $config.kafka.group_instance_id -}}
{{- fail "config.kafka.group_instance_id would be the name of all pods: members with one name throw each other out. Take it out; kind: StatefulSet gives each pod its own" -}}
{{- end -}}
{{- end -}}
