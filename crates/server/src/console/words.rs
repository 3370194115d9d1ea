//! Reasons as sentences.

/// Why a product was proposed, for a person. `product` is what the reason's product is shown as,
/// `category` a dotted path. An unknown kind is shown as it is called.
pub fn reason(kind: &str, product: Option<&str>, category: Option<&str>) -> String {
    match (kind, product, category) {
        ("because_viewed", Some(product), _) => format!("met together with {product}"),
        ("because_bought", Some(product), _) => format!("bought together with {product}"),
        ("popular_in_category", _, Some(path)) => {
            let narrowest = path.rsplit('.').next().unwrap_or(path);
            format!("popular in {}", narrowest.replace('_', " "))
        }
        ("popular", ..) => "popular in the shop".to_owned(),
        ("new", ..) => "new in the catalogue".to_owned(),
        ("viewed_before", ..) => "this visitor met it before".to_owned(),
        (other, ..) => other.replace('_', " "),
    }
}

/// What the stage of a state space is called, and the topic it reads.
pub fn stage(space: &str) -> (&str, &str) {
    match space {
        "users" => ("User stage", "user-events"),
        "products" => ("Product stage", "product-signals"),
        "slates" => ("Slate stage", "slate-signals"),
        "rows" => ("Row stage", "row-signals"),
        "shop" => ("Shop stage", "shop-products"),
        other => (other, "its topic"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_sentences() {
        #[rustfmt::skip]
        let cases = [
            ("because_viewed",      Some("Mi Band"), None,                   "met together with Mi Band"),
            ("because_bought",      Some("Mi Band"), None,                   "bought together with Mi Band"),
            ("popular_in_category", None, Some("furniture.living_room.sofa"), "popular in sofa"),
            ("popular",             None,            None,                   "popular in the shop"),
            ("because_viewed",      None,            None,                   "because viewed"),
            ("because_of_moon",     None,            None,                   "because of moon"),
        ];
        for (kind, product, category, want) in cases {
            assert_eq!(reason(kind, product, category), want);
        }
    }
}
