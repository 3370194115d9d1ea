//! HTTP: what a shop, an operator and their programs see.
//!
//! Routes and their description are one thing: a route enters [`routes`] and is in
//! `/openapi.json` from then on. Every error, wherever it comes from, is a [`problem`].

pub mod answers;
pub mod auth;
pub mod bans;
pub mod body;
pub mod budget;
pub mod checkpoints;
pub mod dead_letters;
pub mod document;
pub mod events;
pub mod extract;
mod failures;
pub mod guard;
pub mod health;
pub mod imports;
pub mod late_events;
pub mod metrics;
pub mod options;
pub mod problem;
pub mod product_batch;
pub mod products;
pub mod reply;
pub mod requests;
pub mod rows;
pub mod schema;
pub mod shop_products;
pub mod split;
pub mod state;

#[cfg(test)]
mod tests;

pub use auth::{ApiKey, Scope};
pub use options::HttpOptions;
pub use problem::Problem;
pub use state::{App, HttpCounts};

use axum::Router;
use axum::http::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, IF_MATCH, RETRY_AFTER};
use axum::http::{HeaderName, HeaderValue, Method};
use axum::middleware::from_fn_with_state;
use axum::routing::get;
use bytes::Bytes;
use std::time::Duration;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::predicate::{NotForContentType, Predicate, SizeAbove};
use tower_http::compression::{CompressionLayer, CompressionLevel};
use tower_http::cors::{AllowOrigin, CorsLayer};
use utoipa::OpenApi as _;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use utoipa_swagger_ui::{Config, SwaggerUi};

/// Answers smaller than this are not worth compressing, in bytes.
const COMPRESS_ABOVE_BYTES: u16 = 1_024;
/// How long a browser may remember what the CORS list says.
const CORS_AGE: Duration = Duration::from_secs(3_600);

/// Every route of the API, described.
fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(document::Document::openapi())
        .routes(routes!(events::take_in))
        .routes(routes!(answers::recommend))
        .routes(routes!(answers::recommend_by_query))
        .routes(routes!(answers::similar))
        .routes(routes!(answers::bought_together))
        .routes(routes!(answers::recently_viewed))
        .routes(routes!(answers::popular))
        .routes(routes!(answers::explain))
        .routes(routes!(products::list, products::create))
        .routes(routes!(product_batch::write))
        .routes(routes!(
            products::find,
            products::replace,
            products::change,
            products::delete
        ))
        .routes(routes!(bans::list, bans::set))
        .routes(routes!(bans::lift))
        .routes(routes!(imports::position, imports::take_in_old))
        .routes(routes!(dead_letters::list))
        .routes(routes!(dead_letters::find))
        .routes(routes!(dead_letters::replay))
        .routes(routes!(late_events::list))
        .routes(routes!(requests::ask))
        .routes(routes!(requests::find))
        .routes(routes!(shop_products::offer))
        .routes(routes!(shop_products::filtered))
        .routes(routes!(rows::list))
        .routes(routes!(rows::placements))
        .routes(routes!(rows::funnel))
        .routes(routes!(checkpoints::list))
        .routes(routes!(health::status))
        .routes(routes!(health::partitions))
        .routes(routes!(health::live))
        .routes(routes!(health::ready))
        .routes(routes!(metrics::scrape))
}

/// The OpenAPI 3.1 document of a service without keys.
pub fn openapi() -> OpenApi {
    routes().into_openapi()
}

/// The whole face: the API, its description, and the console's `pages`.
///
/// Serve it with `into_make_service_with_connect_info::<SocketAddr>()`: imports look at where
/// they come from.
pub fn router(app: App, pages: Router) -> Router {
    let (api, mut document) = routes().split_for_parts();
    if !app.options.keys.is_empty() {
        document::require_keys(&mut document);
    }
    // A document that does not serialise is a bug that a test finds.
    let document = Bytes::from(document.to_json().unwrap_or_default());
    let described = get(move || async move {
        (
            [(CONTENT_TYPE, HeaderValue::from_static("application/json"))],
            document,
        )
    });
    let docs = SwaggerUi::new("/docs").config(Config::from("/openapi.json"));
    let whole = api
        .route("/openapi.json", described)
        .with_state(app.clone())
        .merge(docs)
        .merge(pages)
        .layer(compression())
        .layer(CatchPanicLayer::custom(guard::after_panic))
        .layer(from_fn_with_state(app.clone(), guard::serve));
    match cors(&app.options.cors_origins) {
        Some(cors) => whole.layer(cors),
        None => whole,
    }
}

fn compression() -> CompressionLayer<impl Predicate> {
    let worth = SizeAbove::new(COMPRESS_ABOVE_BYTES)
        .and(NotForContentType::SSE)
        .and(NotForContentType::IMAGES);
    CompressionLayer::new()
        .quality(CompressionLevel::Fastest)
        .compress_when(worth)
}

/// The sites whose pages may call the API; none by default.
fn cors(origins: &[String]) -> Option<CorsLayer> {
    let listed: Vec<HeaderValue> = origins.iter().filter_map(|o| o.parse().ok()).collect();
    if listed.is_empty() {
        return None;
    }
    let allowed = if origins.iter().any(|origin| origin == "*") {
        AllowOrigin::any()
    } else {
        AllowOrigin::list(listed)
    };
    let key = HeaderName::from_static("x-api-key");
    let layer = CorsLayer::new()
        .allow_origin(allowed)
        .allow_methods([
            Method::GET,
            Method::POST,
            Method::PUT,
            Method::PATCH,
            Method::DELETE,
        ])
        .allow_headers([AUTHORIZATION, CONTENT_TYPE, CONTENT_ENCODING, IF_MATCH, key])
        .expose_headers([RETRY_AFTER])
        .max_age(CORS_AGE);
    Some(layer)
}
