# doka as a service of ECS on Fargate. The roles come from `doka policy --workload ecs --format terraform`.

terraform {
  required_version = ">= 1.5"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.0"
    }
  }
}

variable "config_file" {
  type        = string
  default     = "doka.yaml"
  description = "The configuration."
}

variable "image" {
  type        = string
  description = "The image, by tag or by digest."
}

variable "cluster" {
  type        = string
  description = "Name or ARN of the cluster."
}

variable "subnets" {
  type        = list(string)
  description = "Subnets from which every broker, STS and Kinesis can be reached."
}

variable "security_groups" {
  type        = list(string)
  description = "Security groups that let out to the brokers and to 443, and in from Prometheus to the port of the metrics."
}

variable "task_role_arn" {
  type        = string
  description = "The workload's role: it assumes the first hop, and reads Kafka on MSK with IAM."
}

variable "execution_role_arn" {
  type        = string
  description = "The role by which ECS pulls the image, writes the log and reads secrets."
}

variable "secrets" {
  type        = map(string)
  default     = {}
  description = "Variables whose values are in Secrets Manager or the Parameter Store: DOKA_KAFKA__SECURITY__PASSWORD = ARN."
}

variable "tasks" {
  type        = number
  default     = 2
  description = "Members of the group; no more than partitions."
}

data "aws_region" "here" {}

module "task" {
  source  = "../task"
  config  = file(var.config_file)
  image   = var.image
  secrets = var.secrets
  log_options = {
    awslogs-group         = aws_cloudwatch_log_group.doka.name
    awslogs-region        = data.aws_region.here.name
    awslogs-stream-prefix = "doka"
  }
}

resource "aws_cloudwatch_log_group" "doka" {
  name              = "/doka"
  retention_in_days = 30
}

resource "aws_ecs_task_definition" "doka" {
  family                   = "doka"
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = module.task.cpu
  memory                   = module.task.memory
  task_role_arn            = var.task_role_arn
  execution_role_arn       = var.execution_role_arn
  container_definitions    = jsonencode([module.task.container])
}

resource "aws_ecs_service" "doka" {
  name            = "doka"
  cluster         = var.cluster
  task_definition = aws_ecs_task_definition.doka.arn
  desired_count   = var.tasks
  launch_type     = "FARGATE"

  # New tasks first; those before them are stopped when the new ones are alive. ECS knows no readiness: look at /readyz.
  deployment_minimum_healthy_percent = 100
  deployment_maximum_percent         = 200
  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }

  network_configuration {
    subnets         = var.subnets
    security_groups = var.security_groups
  }
}
