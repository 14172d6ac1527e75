{{- define "doka.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{/* 40 letters at most, so that what is put behind it (-config- and a hash, -check, a pod's own) stays below 63. */}}
{{- define "doka.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* Of every pod of the release, that of `helm test` too. */}}
{{- define "doka.podLabels" -}}
app.kubernetes.io/name: {{ include "doka.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{/* Of the pods that forward. It can never change: a Deployment's selector is immutable. */}}
{{- define "doka.selector" -}}
{{ include "doka.podLabels" . }}
app.kubernetes.io/component: service
{{- end -}}

{{- define "doka.labels" -}}
{{ include "doka.podLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "doka.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "doka.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "doka.image" -}}
{{- if not .Values.image.repository -}}
{{- fail "image.repository is missing: doka is in no public registry. Build the image (docker build -t REGISTRY/doka .), push it, and set image.repository=REGISTRY/doka" -}}
{{- end -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) -}}
{{- end -}}
{{- end -}}
