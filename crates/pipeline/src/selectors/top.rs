//! The first of the order.

use super::Selector;
use crate::view::View;

/// Takes the first [`View::limit`].
pub(super) struct Top;

impl Selector for Top {
    fn name(&self) -> &'static str {
        "top"
    }

    fn select(&self, view: &View<'_>, order: &mut Vec<u32>) {
        order.truncate(view.limit());
    }
}
