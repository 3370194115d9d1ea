//! The known name that is most like a mistyped one.

/// The name in `known` that takes the fewest edits to get from `typed`; `None` when none is
/// near: more than a third of the letters would change.
pub fn nearest<'a>(typed: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let edits_max = (typed.chars().count() / 3).max(1);
    let with_edits = known.into_iter().map(|name| (edits(typed, name), name));
    let (edits, name) = with_edits.min_by_key(|(edits, _)| *edits)?;
    (edits <= edits_max).then_some(name)
}

/// Letters to insert, delete or replace.
///
/// Source: V. Levenshtein, "Binary codes capable of correcting deletions, insertions, and
/// reversals", 1966; row by row as R. Wagner and M. Fischer compute it.
fn edits(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_cases() {
        let known = ["listen", "data_dir", "retention_days", "retention_bytes"];
        #[rustfmt::skip]
        let cases: &[(&str, &str, Option<&str>)] = &[
            ("one letter",  "lisen",          Some("listen")),
            ("a dash",      "data-dir",       Some("data_dir")),
            ("a plural",    "retention_day",  Some("retention_days")),
            ("capitals",    "Listen",         Some("listen")),
            ("far away",    "password",       None),
            ("empty",       "",               None),
        ];
        for (name, typed, want) in cases {
            assert_eq!(nearest(typed, known), *want, "{name}");
        }
        assert_eq!(edits("kitten", "sitting"), 3);
    }
}
