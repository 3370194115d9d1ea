//! The pages and the navigation: one line each.

mod dead_letters;
mod overview;
mod products;
mod slate;
mod stream;
mod system;
mod visitor;

use super::ConsoleApp;
use super::layout::{NavGroup, NavItem, problem};
use axum::Router;
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use axum::routing::get;

macro_rules! pages {
    ($($group:literal { $($module:ident => $path:literal, $name:literal, $icon:literal;)+ })+) => {
        /// What the left side of every page lists.
        pub(super) const NAV: &[NavGroup] = &[$(NavGroup {
            title: $group,
            items: &[$(NavItem { path: $path, name: $name, icon: $icon }),+],
        }),+];

        /// The routes of all pages.
        pub(super) fn routes() -> Router<ConsoleApp> {
            Router::new()$($(.merge($module::routes()))+)+
                .route("/console/{*unknown}", get(unknown))
        }
    };
}

pages! {
    "Watch" {
        overview => "/", "Overview", "overview";
        stream => "/console/stream", "Stream", "stream";
    }
    "Explain" {
        visitor => "/console/visitor", "Visitor", "visitor";
        products => "/console/products", "Products", "products";
        slate => "/console/slate", "Slate & why", "slate";
    }
    "Operate" {
        dead_letters => "/console/dead-letters", "Dead letters", "letters";
        system => "/console/system", "System", "system";
    }
}

async fn unknown(uri: Uri) -> Response {
    let what = format!("{} leads nowhere", uri.path());
    let hint = "Choose a page on the left.";
    problem(StatusCode::NOT_FOUND, "No such page", &what, hint)
}
