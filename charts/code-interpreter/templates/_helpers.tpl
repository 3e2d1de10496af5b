{{- /* Image of a program: list of the root and `service` or `keeper`. A digest goes before a tag. */}}
{{- define "image" -}}
{{- $root := index . 0 -}}
{{- $image := index $root.Values.images (index . 1) -}}
{{- with $root.Values.images.registry }}{{ . | trimSuffix "/" }}/{{ end -}}
{{- $image.repository -}}
{{- if $image.digest }}@{{ $image.digest }}{{ else }}:{{ $image.tag | default $root.Chart.AppVersion }}{{ end -}}
{{- end }}

{{- define "labels" -}}
app.kubernetes.io/part-of: code-interpreter
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/instance: {{ .Release.Name }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "storage.env" -}}
{{- if .Values.s3.bucket }}
- configMapRef: { name: storage }
{{- with .Values.s3.secret }}
- secretRef: { name: {{ . }} }
{{- end }}
{{- else }}
[]
{{- end }}
{{- end }}

{{- define "storage.mounts" -}}
{{- if .Values.files.claim }}
- { name: files, mountPath: /data }
{{- else }}
[]
{{- end }}
{{- end }}

{{- define "storage.volumes" -}}
{{- with .Values.files.claim }}
- name: files
  persistentVolumeClaim: { claimName: {{ . }} }
{{- else }}
[]
{{- end }}
{{- end }}

{{- define "check" -}}
{{- if and (not .Values.s3.bucket) (not .Values.files.claim) }}{{ fail "Set s3.bucket or files.claim: api and workers share the stored files." }}{{ end -}}
{{- if and .Values.worker.autoscaling.enabled .Values.worker.keda.enabled }}{{ fail "Enable worker.autoscaling or worker.keda, not both." }}{{ end -}}
{{- if eq .Release.Namespace .Values.workerNamespace.name }}{{ fail "workerNamespace.name must differ from the release's namespace." }}{{ end -}}
{{- end }}
