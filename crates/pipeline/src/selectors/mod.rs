//! Selectors: which of the ordered candidates become the slate.

use crate::view::View;

/// Selects the slate. Law, checked for every selector by this crate's tests: no more than the
/// limit, and nothing that was not in the order.
pub trait Selector: Send + Sync {
    /// Stable name, used in metrics and traces. Never rename.
    fn name(&self) -> &'static str;

    /// Leaves in `order` what is shown.
    fn select(&self, view: &View<'_>, order: &mut Vec<u32>);
}

macro_rules! selectors {
    ($($module:ident :: $Selector:ident),+ $(,)?) => {
        $(mod $module;)+

        /// Every selector the platform knows, in the order in which they are asked.
        pub fn all() -> &'static [&'static dyn Selector] {
            &[$(&$module::$Selector),+]
        }
    };
}

selectors! {
    top::Top,
}
