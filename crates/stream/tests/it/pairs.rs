//! Products met and bought together.

use crate::make::*;
use std::collections::BTreeMap;
use vitrina_stream::bounds::COVISIT_NEIGHBOURS_MAX;
use vitrina_stream::driver::Driver;
use vitrina_types::record::{ProductEnvelope, ProductRecord, UserEnvelope};
use vitrina_types::topic::Topic;

/// Weights by (product, neighbour, bought), summed; panics when a pair has no mirror image.
fn pairs(driver: &Driver) -> BTreeMap<(String, String, bool), f32> {
    let mut pairs = BTreeMap::new();
    for envelope in driver.decoded::<ProductEnvelope>(Topic::ProductSignals) {
        if let ProductRecord::CoVisit {
            product,
            neighbour,
            weight,
            bought,
            ..
        } = envelope.record
        {
            let key = (product.to_string(), neighbour.to_string(), bought);
            *pairs.entry(key).or_insert(0.0) += weight;
        }
    }
    for ((product, neighbour, bought), weight) in &pairs {
        let mirror = (neighbour.clone(), product.clone(), *bought);
        assert_eq!(pairs.get(&mirror), Some(weight), "{product} {neighbour}");
    }
    pairs
}

#[test]
fn pair_cases() {
    let buy = |id: &str, of: &[&str], ms| live(event(id, "purchase", of, ms));
    let at = |id: &str, of: &str, ms| live(view(id, of, ms));
    let named = |id: &str, name: &str, of: &str, ms| live(event(id, name, &[of], ms));
    #[rustfmt::skip]
    let cases: Vec<(&str, Vec<UserEnvelope>, &[(&str, &str, bool, f32)])> = vec![
        ("one product",     vec![at("1", "a", 0), at("2", "a", 9)],                     &[]),
        ("a minute apart",  vec![at("1", "a", 0), at("2", "b", MINUTE)],                &[("a", "b", false, 0.5)]),
        ("out of order",    vec![at("2", "b", MINUTE), at("1", "a", 0)],                &[("a", "b", false, 0.5)]),
        ("two sessions",    vec![at("1", "a", 0), at("2", "b", HOUR)],                  &[]),
        ("seen again",      vec![at("1", "a", 0), at("2", "b", 0), at("3", "a", 0)],    &[("a", "b", false, 1.0)]),
        ("only shown",      vec![at("1", "a", 0), named("2", "impression", "b", 0)],    &[]),
        ("disliked",        vec![at("1", "a", 0), named("2", "remove_from_cart", "b", 0)], &[]),
        ("disliked first",  vec![named("2", "remove_from_cart", "b", 0), at("1", "a", 0)], &[]),
        ("one order",       vec![buy("1", &["a", "b"], 0)],                             &[("a", "b", false, 8.0), ("a", "b", true, 8.0)]),
        ("a line twice",    vec![buy("1", &["a", "b", "a"], 0)],                        &[("a", "b", false, 8.0), ("a", "b", true, 8.0)]),
        ("two orders",      vec![buy("1", &["a"], 0), buy("2", &["b"], MINUTE)],        &[("a", "b", false, 4.0), ("a", "b", true, 4.0)]),
        ("seen and bought", vec![at("1", "a", 0), buy("2", &["b"], MINUTE)],            &[("a", "b", false, std::f32::consts::SQRT_2)]),
        ("bought what was seen", vec![at("1", "a", 0), at("2", "b", 0), buy("3", &["a", "b"], 0)],
                                                                                        &[("a", "b", false, 1.0), ("a", "b", true, 8.0)]),
    ];
    for (name, records, want) in cases {
        let got = pairs(&driven(&records));
        let half = got.into_iter().filter(|((a, b, _), _)| a < b);
        let half: Vec<_> = half.map(|((a, b, bought), w)| (a, b, bought, w)).collect();
        let want: Vec<_> = want
            .iter()
            .map(|&(a, b, bought, w)| (a.to_owned(), b.to_owned(), bought, w))
            .collect();
        assert_eq!(half, want, "{name}");
    }
}

#[test]
fn only_the_nearest_are_paired() {
    let mut records: Vec<UserEnvelope> = (0..20)
        .map(|i| live(view(&format!("e{i}"), &format!("p{i:02}"), i * SECOND)))
        .collect();
    records.push(live(view("new", "new", 20 * SECOND)));
    let pairs = pairs(&driven(&records));
    let near: Vec<&str> = pairs
        .keys()
        .filter(|(product, ..)| product == "new")
        .map(|(_, neighbour, _)| neighbour.as_str())
        .collect();
    assert_eq!(near.len(), COVISIT_NEIGHBOURS_MAX);
    assert_eq!((near[0], near[7]), ("p12", "p19"));
}
