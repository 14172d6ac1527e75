# An ECS task of doka, computed from its configuration: no provider, no resource, so it can be tried with nothing but Terraform.
#   terraform -chdir=deploy/terraform/task apply -var config="$(cat doka.yaml)" -var image=REGISTRY/doka:0.2.0
# ../ecs makes a service of it.

terraform {
  required_version = ">= 1.5"
}

variable "config" {
  type        = string
  description = "The text of doka.yaml. Each of its groups becomes a variable of the container, since ECS has no files to mount."

  validation {
    condition     = can(yamldecode(var.config).kafka.group_id) && can(yamldecode(var.config).routes)
    error_message = "config must be the text of doka.yaml, with kafka and routes: config = file(\"doka.yaml\")."
  }
  validation {
    condition     = try(yamldecode(var.config).kafka.security.password, null) == null && try(yamldecode(var.config).kafka.security.key_password, null) == null
    error_message = "A password in config would stand in the task definition for everybody to read: give it by secrets, as DOKA_KAFKA__SECURITY__PASSWORD."
  }
  validation {
    condition     = try(yamldecode(var.config).kafka.group_instance_id, null) == null
    error_message = "kafka.group_instance_id would be the name of all tasks: members with one name throw each other out. Take it out."
  }
  validation {
    condition     = try(coalesce(yamldecode(var.config).limits.drain_seconds), 25) <= 115
    error_message = "limits.drain_seconds must be 115 at most: ECS kills a task 120 s after it told it to stop, and doka needs 5 s more than its drain."
  }
}

variable "image" {
  type        = string
  description = "The image, by tag or by digest."
}

variable "secrets" {
  type        = map(string)
  default     = {}
  description = "Variables whose values are in Secrets Manager or the Parameter Store: DOKA_KAFKA__SECURITY__PASSWORD = ARN."
}

variable "log_options" {
  type        = map(string)
  default     = {}
  description = "Options of the log driver awslogs; without any there is no log configuration."
}

locals {
  config = yamldecode(var.config)
  # What is not set, or set to nothing, has the default of doka.
  port  = try(coalesce(local.config.http.port), 9400)
  drain = try(coalesce(local.config.limits.drain_seconds), 25)
  held  = try(coalesce(local.config.limits.held_mib), 64)

  environment = merge(
    { for group, value in local.config : "DOKA_${upper(group)}" => jsonencode(value) },
    # Behind the groups, so that probes, port and stop are those of the process.
    {
      DOKA_HTTP__HOST            = "0.0.0.0"
      DOKA_HTTP__PORT            = tostring(local.port)
      DOKA_LIMITS__DRAIN_SECONDS = tostring(local.drain)
    },
  )
}

output "memory" {
  description = "MiB for the task: limits.held_mib and 192, up to a whole GiB, as Fargate sells it."
  value       = ceil((local.held + 192) / 1024) * 1024
}

output "cpu" {
  description = "Units of CPU that Fargate takes with that memory; doka uses one core at most."
  value       = ceil((local.held + 192) / 1024) <= 4 ? 512 : 1024
}

output "port" {
  description = "Where /metrics, /healthz and /readyz are."
  value       = local.port
}

output "container" {
  description = "The container's definition, as the API of ECS takes it."
  value = merge(
    {
      name      = "doka"
      image     = var.image
      essential = true
      command   = ["run"]
      environment = [
        for name in sort(keys(local.environment)) : { name = name, value = local.environment[name] }
      ]
      secrets                = [for name in sort(keys(var.secrets)) : { name = name, valueFrom = var.secrets[name] }]
      portMappings           = [{ containerPort = local.port, protocol = "tcp" }]
      user                   = "65532:65532"
      readonlyRootFilesystem = true
      linuxParameters        = { capabilities = { drop = ["ALL"] } }
      # The drain, and 5 s for last words after the group was left.
      stopTimeout = ceil(local.drain) + 5
      # Alive means that the loop turns. Never /readyz: what makes doka unready is cured by no restart.
      healthCheck = {
        command     = ["CMD", "python3", "-c", "import urllib.request as web; web.urlopen('http://127.0.0.1:${local.port}/healthz', timeout=4)"]
        interval    = 10
        timeout     = 5
        retries     = 3
        startPeriod = 60
      }
    },
    length(var.log_options) == 0 ? {} : { logConfiguration = { logDriver = "awslogs", options = var.log_options } },
  )
}
