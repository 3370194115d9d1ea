//! What routes take out of a request, each refusal being a problem.

mod params;
mod path;
mod span;
mod version;

pub use params::{Params, WHOLE_MAX};
pub use path::PathId;
pub use span::read_span;
pub use version::{if_match, none_match_any, refused_version};
