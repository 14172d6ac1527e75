{{- define "doka.securityContext" -}}
{{ toYaml .Values.securityContext }}
{{- end -}}

{{/* The variables of every container of doka. `env` goes before `envFrom`, and both before the file. */}}
{{- define "doka.env" -}}
- name: DOKA_HTTP__HOST
  value: {{ include "doka.host" . | quote }}
- name: DOKA_HTTP__PORT
  value: {{ include "doka.port" . | quote }}
- name: DOKA_LIMITS__DRAIN_SECONDS
  value: {{ include "doka.drainSeconds" . | quote }}
{{- with .Values.env }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "doka.mounts" -}}
- {name: config, mountPath: /etc/doka, readOnly: true}
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "doka.volumes" -}}
- name: config
  configMap:
    name: {{ include "doka.configMap" . }}
    items: [{key: {{ ternary .Values.existingConfigMap.key "doka.yaml" (ne .Values.existingConfigMap.name "") }}, path: doka.yaml}]
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* What the pods that forward and that of `helm test` have in common. */}}
{{- define "doka.podCommon" -}}
serviceAccountName: {{ include "doka.serviceAccount" . }}
# doka does not speak to Kubernetes. IRSA and Pod Identity mount tokens of their own.
automountServiceAccountToken: false
# Variables for each Service of the namespace: doka would pass over them, and nobody needs them.
enableServiceLinks: false
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  {{- toYaml .Values.podSecurityContext | nindent 2 }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
volumes:
  {{- include "doka.volumes" . | nindent 2 }}
{{- end -}}

{{- define "doka.podTemplate" -}}
metadata:
  labels:
    {{- /* Not the chart's own version: another chart that changes no pod is then no rollout. */}}
    {{- include "doka.selector" . | nindent 4 }}
    app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
    {{- with .Values.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- with .Values.podAnnotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  {{- include "doka.podCommon" . | nindent 2 }}
  # limits.drain_seconds and 5 more. There is no preStop: SIGTERM begins the drain, and a sleep would only shorten it.
  terminationGracePeriodSeconds: {{ include "doka.graceSeconds" . }}
  {{- with .Values.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  topologySpreadConstraints:
    {{- if kindIs "invalid" .Values.topologySpreadConstraints }}
    {{- range list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
    - maxSkew: 1
      topologyKey: {{ . }}
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels:
          {{- include "doka.selector" $ | nindent 10 }}
      # Of each version by itself, or a rollout would be spread around the pods that it replaces.
      matchLabelKeys: [{{ ternary "controller-revision-hash" "pod-template-hash" (eq $.Values.kind "StatefulSet") }}]
    {{- end }}
    {{- else }}
    {{- toYaml .Values.topologySpreadConstraints | nindent 4 }}
    {{- end }}
  containers:
    - name: doka
      image: {{ include "doka.image" . | quote }}
      imagePullPolicy: {{ .Values.image.pullPolicy }}
      args:
        - run
        - --config
        - /etc/doka/doka.yaml
        {{- if gt (int64 .Values.workers) 1 }}
        - --workers
        - {{ .Values.workers | int64 | quote }}
        {{- end }}
        {{- if and .Values.existingConfigMap.name .Values.existingConfigMap.watch }}
        - --watch
        {{- end }}
      env:
        {{- if eq .Values.kind "StatefulSet" }}
        - name: DOKA_KAFKA__GROUP_INSTANCE_ID
          valueFrom: {fieldRef: {fieldPath: metadata.name}}
        {{- end }}
        {{- if .Values.rackFromZone }}
        - name: DOKA_KAFKA__RACK
          valueFrom: {fieldRef: {fieldPath: "metadata.labels['topology.kubernetes.io/zone']"}}
        {{- end }}
        {{- include "doka.env" . | nindent 8 }}
      {{- with .Values.envFrom }}
      envFrom:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      ports:
        - {name: http, containerPort: {{ include "doka.port" . }}}
      # Two minutes for the start; then liveness can be tight.
      startupProbe: {httpGet: {path: /healthz, port: http}, periodSeconds: 2, timeoutSeconds: 5, failureThreshold: 60}
      # Never /readyz: what makes doka unready is cured by no restart, and each restart is a rebalance.
      livenessProbe: {httpGet: {path: /healthz, port: http}, periodSeconds: 10, timeoutSeconds: 5, failureThreshold: 3}
      readinessProbe: {httpGet: {path: /readyz, port: http}, periodSeconds: 5, timeoutSeconds: 5, failureThreshold: 2}
      resources:
        {{- include "doka.resources" . | nindent 8 }}
      securityContext:
        {{- include "doka.securityContext" . | nindent 8 }}
      volumeMounts:
        {{- include "doka.mounts" . | nindent 8 }}
{{- end -}}
