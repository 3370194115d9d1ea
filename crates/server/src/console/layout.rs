//! What every page has around it, and how a page becomes an answer.

use super::assets;
use super::pages::NAV;
use super::source::SourceError;
use askama::Template;
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};

/// A group of the navigation.
pub(super) struct NavGroup {
    pub(super) title: &'static str,
    pub(super) items: &'static [NavItem],
}

/// A page in the navigation.
pub(super) struct NavItem {
    pub(super) path: &'static str,
    pub(super) name: &'static str,
    /// Its picture in `assets/img/icons.svg`.
    pub(super) icon: &'static str,
}

/// The frame of a page: navigation, scripts and styles.
pub(super) struct Layout {
    /// Path of the page's entry in the navigation.
    here: &'static str,
}

impl Layout {
    /// The frame of the page at `here`.
    pub(super) fn new(here: &'static str) -> Self {
        Self { here }
    }

    pub(super) fn nav(&self) -> &'static [NavGroup] {
        NAV
    }

    pub(super) fn is_here(&self, item: &NavItem) -> bool {
        item.path == self.here
    }

    pub(super) fn asset(&self, path: &str) -> String {
        assets::url(path)
    }

    pub(super) fn icon(&self, name: &str) -> String {
        format!("{}#{name}", assets::url("img/icons.svg"))
    }

    pub(super) fn version(&self) -> &'static str {
        env!("CARGO_PKG_VERSION")
    }
}

/// A page, or the page that says why there is none.
pub(super) type Page = Result<Response, SourceError>;

/// Renders a template with `200`.
pub(super) fn page(template: &impl Template) -> Response {
    page_as(StatusCode::OK, template)
}

/// Renders a template with a status.
pub(super) fn page_as(status: StatusCode, template: &impl Template) -> Response {
    match template.render() {
        Ok(html) => (status, Html(html)).into_response(),
        Err(error) => {
            tracing::error!(%error, "page did not render");
            (StatusCode::INTERNAL_SERVER_ERROR, "page did not render\n").into_response()
        }
    }
}

#[derive(Template)]
#[template(path = "problem.html")]
struct Problem<'a> {
    layout: Layout,
    title: &'a str,
    what: &'a str,
    hint: &'a str,
}

/// The page that says what went wrong and what to do about it.
pub(super) fn problem(status: StatusCode, title: &str, what: &str, hint: &str) -> Response {
    let layout = Layout::new("");
    page_as(
        status,
        &Problem {
            layout,
            title,
            what,
            hint,
        },
    )
}

impl IntoResponse for SourceError {
    fn into_response(self) -> Response {
        let what = self.to_string();
        match self {
            Self::BadId(_) => problem(
                StatusCode::BAD_REQUEST,
                "That is not an id",
                &what,
                "An id has 1 to 128 bytes and no control characters.",
            ),
            Self::NotFound(_) => problem(
                StatusCode::NOT_FOUND,
                "Not found",
                &what,
                "Check the id, or look it up in the lists on the left.",
            ),
            Self::Unavailable(_) => problem(
                StatusCode::SERVICE_UNAVAILABLE,
                "Vitrina cannot answer this now",
                &what,
                "Reload in a few seconds. If it stays so, System shows which part is behind, \
                 and `vitrina doctor` checks the data directory.",
            ),
        }
    }
}
