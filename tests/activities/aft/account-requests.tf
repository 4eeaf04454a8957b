# Requests of the web team. One module an account; Account Factory for Terraform takes them from here.

locals {
  owner = "web-team@example.com"
  note  = <<-EOT
    braces } and "quotes" in a heredoc
    end no block
  EOT
}

module "shop_dev" {
  source = "./modules/aft-account-request"

  control_tower_parameters = {
    AccountEmail = "aws+shop-dev@example.com"
    AccountName  = "shop-dev"
    # An organizational unit within another one is written with its id.
    ManagedOrganizationalUnit = "Development (ou-ab12-cd34efgh)"
    SSOUserEmail              = local.owner
    SSOUserFirstName          = "Web"
    SSOUserLastName           = "Team"
  }

  account_tags = {
    "allot:product" = "Retail/Digital/Web/Checkout"
    "allot:type"    = "Development"
    "corp:owner"    = local.owner
    "corp:vended"   = "true"
  }

  change_management_parameters = {
    change_requested_by = "Web Team"
    change_reason       = "a place to try things"
  }

  custom_fields = {
    budget = "web-2026"
  }

  account_customizations_name = "web-${terraform.workspace}"
}

/* The product by its code, and both in the custom fields. */
module "search_prod" {
  source = "git::https://example.com/aft.git//modules/aft-account-request?ref=v1"

  control_tower_parameters = {
    AccountEmail              = "aws+search@example.com",
    AccountName               = "search-prod",
    ManagedOrganizationalUnit = "Production",
  }

  change_management_parameters = {
    change_requested_by = "Web Team"
    change_reason       = local.note
  }

  custom_fields = {
    "allot:product" : "P-102",
    "allot:type" : "production"
  }
}

module "network" {
  source = "./modules/network"
  cidr   = cidrsubnet("10.0.0.0/8", 8, 1)
}
