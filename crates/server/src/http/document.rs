//! The OpenAPI 3.1 document: what the routes say of themselves, and who may call them.

use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{Components, OpenApi};

/// What the document says besides its routes.
#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Vitrina",
        description = "Real-time recommendations: a shop sends what its visitors do, Vitrina \
            answers what to put in the window for each of them. Errors are problems (RFC 9457) \
            with a stable `code`.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0"),
    ),
    tags(
        (name = "events", description = "What visitors do"),
        (name = "answers", description = "What to show"),
        (name = "products", description = "What the shop sells"),
        (name = "bans", description = "What must not be shown"),
        (name = "imports", description = "Old events, exactly once"),
        (name = "analytics", description = "What came of it"),
        (name = "operation", description = "How the service is doing"),
    ),
    components(schemas(super::problem::ProblemBody)),
)]
pub struct Document;

/// Names of the two ways to send a key.
const SCHEMES: [&str; 2] = ["bearer", "api_key"];

/// Says that every route but those of health needs a key.
pub fn require_keys(document: &mut OpenApi) {
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
    let header = ApiKey::Header(ApiKeyValue::new("X-API-Key"));
    let components = document.components.get_or_insert_with(Components::new);
    components.add_security_scheme(SCHEMES[0], SecurityScheme::Http(bearer));
    components.add_security_scheme(SCHEMES[1], SecurityScheme::ApiKey(header));
    let none: [&str; 0] = [];
    let either = SCHEMES.map(|name| SecurityRequirement::new(name, none));
    document.security = Some(either.into());
    for (path, item) in &mut document.paths.paths {
        if super::auth::is_open(path)
            && let Some(get) = &mut item.get
        {
            get.security = Some(Vec::new());
        }
    }
}
