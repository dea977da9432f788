{{/* Which processes there are: a YAML list of name, service (whose secret it reads), kind, and command. */}}
{{- define "plumbline.roles" -}}
{{- range $service, $roles := .Values.services }}
{{- range $roles }}
- {name: {{ $service }}-{{ . }}, service: {{ $service }}, kind: {{ . }}, command: [services.{{ $service }}, {{ . }}], queue: {{ $service }}}
{{- end }}
{{- end }}
- {name: workflows-router, service: "", kind: router, command: [workflows, router], queue: router}
- {name: workflows-worker, service: "", kind: workflows, command: [workflows, worker], queue: incident}
- {name: console, service: console, kind: console, command: [services.console, api], queue: ""}
{{- end }}

{{- define "plumbline.labels" -}}
app.kubernetes.io/name: plumbline
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- define "plumbline.selector" -}}
app.kubernetes.io/name: plumbline
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "plumbline.image" -}}
{{- if .Values.image.digest }}{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else }}{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}{{ end }}
{{- end }}

{{/* What a pod may do: nothing that it does not need. */}}
{{- define "plumbline.pod" -}}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  seccompProfile: {type: RuntimeDefault}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
{{- range . }}
  - name: {{ . }}
{{- end }}
{{- end }}
volumes:
  - {name: tmp, emptyDir: {sizeLimit: 256Mi}}
{{- if .Values.tls.secretName }}
  - {name: tls, secret: {secretName: {{ .Values.tls.secretName }}, defaultMode: 0440}}
{{- end }}
{{- end }}

{{- define "plumbline.container" -}}
image: {{ include "plumbline.image" . }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
volumeMounts:
  - {name: tmp, mountPath: /tmp}
{{- if .Values.tls.secretName }}
  - {name: tls, mountPath: /etc/plumbline/tls, readOnly: true}
{{- end }}
{{- end }}
