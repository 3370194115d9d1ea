//! What the console asks of the engine.
//!
//! One seam, so that pages and their tests know values ([`super::view`]) and never the engine.
//! Every call is read-only but [`ConsoleSource::set_ban`].

use super::ring::Reading;
use super::view::{
    Letter, ProductLine, ProductList, Slate, SlateLine, StreamStatus, SystemStatus, TopProduct,
    Visitor, Why,
};
use std::future::Future;
use std::pin::Pin;
use vitrina_types::time::EventTime;

/// A question could not be answered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// The id is none: empty, too long, control characters.
    #[error("{0}")]
    BadId(String),
    /// There is no such thing.
    #[error("{0} does not exist")]
    NotFound(String),
    /// The engine cannot answer now.
    #[error("{0}")]
    Unavailable(String),
}

/// An answer on its way.
pub type Answered<'a, T> = Pin<Box<dyn Future<Output = Result<T, SourceError>> + Send + 'a>>;

/// Everything the console shows.
pub trait ConsoleSource: Send + Sync + 'static {
    /// The time, by the engine's clock.
    fn now(&self) -> EventTime;

    /// The figures now. Called once a second: cheap, no I/O.
    fn reading(&self) -> Reading;

    /// The most popular products now, best first. Called once a second while somebody looks.
    fn top(&self, limit: usize) -> Vec<TopProduct>;

    /// The newest answers, newest first.
    fn recent_slates(&self, limit: usize) -> Vec<SlateLine>;

    /// The visitor with this user id, else with this anonymous id.
    fn visitor<'a>(&'a self, id: &'a str) -> Answered<'a, Option<Visitor>>;

    /// What this visitor would be shown now, asked under the placement `console`.
    fn recommend<'a>(&'a self, visitor: &'a Visitor, limit: usize) -> Answered<'a, Slate>;

    /// Why a slate is as it is; `None` when it is unknown or its trace is no longer kept.
    fn why<'a>(&'a self, slate_id: &'a str) -> Answered<'a, Option<Why>>;

    /// Products after `after` whose title, brand, category or id holds `find` in any case, in
    /// order of id; the one product alone whose id is `find`. An empty `find` lists all.
    fn products<'a>(
        &'a self,
        find: &'a str,
        after: Option<&'a str>,
        limit: usize,
    ) -> Answered<'a, ProductList>;

    /// Bans a product or lifts its ban; answers the product as it is then.
    fn set_ban<'a>(&'a self, product_id: &'a str, banned: bool) -> Answered<'a, ProductLine>;

    /// Dead letters before the offset `before`, newest first.
    fn dead_letters(&self, before: Option<u64>, limit: usize) -> Answered<'_, Vec<Letter>>;

    /// How the stream is doing, with up to `limit` late events and rows.
    fn stream(&self, limit: usize) -> Answered<'_, StreamStatus>;

    /// The state of the system.
    fn system(&self) -> Answered<'_, SystemStatus>;
}
