# doka in Kubernetes by its Helm chart; the chart checks the configuration, and computes what follows from it.

terraform {
  required_version = ">= 1.5"
  required_providers {
    helm = {
      source  = "hashicorp/helm"
      version = ">= 2.12"
    }
  }
}

variable "config_file" {
  type        = string
  default     = "doka.yaml"
  description = "The configuration."
}

variable "image" {
  type        = object({ repository = string, tag = optional(string, ""), digest = optional(string, "") })
  description = "The image."
}

variable "role_arn" {
  type        = string
  default     = ""
  description = "The workload's role, by IRSA; with EKS Pod Identity leave it out."
}

variable "values" {
  type        = any
  default     = {}
  description = "Further values of the chart."
}

locals {
  values = merge(
    {
      image          = var.image
      config         = yamldecode(file(var.config_file))
      serviceAccount = { roleArn = var.role_arn }
    },
    var.values,
  )
}

resource "helm_release" "doka" {
  name             = "doka"
  namespace        = "doka"
  create_namespace = true
  chart            = "${path.module}/../../helm/doka"
  values           = [yamlencode(local.values)]

  # A version that does not become ready is taken back; the pods before it have gone on all the time.
  atomic  = true
  timeout = 900
}
