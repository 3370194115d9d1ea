//! Sketches against a naive one, a reference program and random bytes.

use super::*;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// Different hashes: splitmix64 is a bijection.
fn hashes(seed: u64, count: u64) -> impl Iterator<Item = u64> {
    fn mixed(mut z: u64) -> u64 {
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
    let start = mixed(seed);
    (1..=count).map(move |i| mixed(start.wrapping_add(i.wrapping_mul(0x9E37_79B9_7F4A_7C15))))
}

fn of(hashes: impl IntoIterator<Item = u64>) -> Distinct {
    let mut sketch = Distinct::default();
    hashes.into_iter().for_each(|hash| sketch.add(hash));
    sketch
}

fn merged(a: &Distinct, b: &Distinct) -> Distinct {
    let mut sum = a.clone();
    sum.merge(b);
    sum
}

fn stored(sketch: &Distinct) -> Vec<u8> {
    postcard::to_stdvec(sketch).unwrap()
}

/// The stored form by its definition, from binary digits.
fn naive(hashes: &[u64]) -> Vec<u8> {
    let prints: BTreeSet<u32> = hashes.iter().map(|hash| (hash >> 32) as u32).collect();
    let body: Vec<u8> = if prints.len() <= 160 {
        prints.iter().flat_map(|p| p.to_le_bytes()).collect()
    } else {
        let mut ranks = BTreeMap::new();
        for print in prints {
            let digits = format!("{print:032b}");
            let index = usize::from_str_radix(&digits[..12], 2).unwrap();
            let rank = digits[12..].find('1').map_or(21, |zeros| zeros + 1);
            let held = ranks.entry(index).or_insert(rank);
            *held = rank.max(*held);
        }
        let mut body = vec![0; 2_560];
        for (index, rank) in ranks {
            for bit in (0..5).filter(|bit| rank & (1 << bit) != 0) {
                body[(index * 5 + bit) / 8] |= 1 << ((index * 5 + bit) % 8);
            }
        }
        body
    };
    postcard::to_stdvec(&body).unwrap()
}

#[test]
fn a_sketch_counts_twenty_exactly() {
    assert!(Distinct::default().is_empty());
    for seed in 0..2_000 {
        let mut sketch = Distinct::default();
        for (n, hash) in hashes(seed, 20).enumerate() {
            assert_eq!(sketch.estimate(), n as u64, "seed {seed}");
            sketch.add(hash);
            sketch.add(hash);
            assert!(!sketch.is_empty(), "seed {seed}");
        }
        assert_eq!(sketch.estimate(), 20, "seed {seed}");
    }
}

#[test]
fn an_estimate_is_within_five_percent() {
    for n in [1, 10, 100, 160, 161, 200, 1_000, 10_000, 100_000, 1_000_000] {
        for seed in 0..8 {
            let found = of(hashes(seed, n)).estimate();
            let error = found as f64 / n as f64 - 1.0;
            assert!(error.abs() <= 0.05, "seed {seed}, {n} read as {found}");
            assert!(n > 160 || found == n, "seed {seed}, {n} read as {found}");
        }
    }
}

/// Expected from a Python program with 60 decimal digits and the formula as printed.
#[test]
fn an_estimate_is_that_of_the_reference() {
    #[rustfmt::skip]
    let cases: &[(u64, u64, f64)] = &[
        (1,       161,       161.129_690_336_548_5),
        (1,       200,       200.846_651_413_782_28),
        (1,     1_000,     1_005.323_638_405_558_6),
        (2,    10_000,    10_049.916_078_688_428),
        (2,   100_000,   101_158.250_291_641_27),
        (1, 1_000_000,   982_039.428_133_345),
    ];
    for (seed, n, want) in cases {
        let sketch = of(hashes(*seed, *n));
        let Form::Many(ranks) = &sketch.0 else {
            panic!("seed {seed}, {n} are few");
        };
        let off = estimated(ranks) / want - 1.0;
        assert!(off.abs() < 1e-13, "seed {seed}, {n} are off by {off}");
        assert_eq!(sketch.estimate(), want.round() as u64, "seed {seed}, {n}");
    }
    let mut high = [21; REGISTERS];
    assert_eq!(Distinct(Form::Many(Box::new(high))).estimate(), u64::MAX);
    high[0] = 20;
    assert!((estimated(&high) / 35_724_438_794.421_59 - 1.0).abs() < 1e-13);
}

/// Written by hand: these bytes are on disks.
#[test]
fn a_stored_form_never_changes() {
    let few = of([0x0123_4567_89AB_CDEF, 0x0100_0000_0000_0000]);
    assert_eq!(stored(&few), [8, 0, 0, 0, 1, 0x67, 0x45, 0x23, 1]);
    assert_eq!(
        serde_json::to_string(&few).unwrap(),
        "[0,0,0,1,103,69,35,1]"
    );
    assert_eq!(stored(&Distinct::default()), [0]);
    // Ranks 12 to 14 in register 0, 21 in register 1.
    let many = stored(&of((64..240).chain([0x0010_0000]).map(|print| print << 32)));
    assert_eq!(many[..4], [0x80, 0x14, 14 | (21 << 5) as u8, 21 >> 3]);
    assert!(many.len() == 2_562 && many[4..].iter().all(|byte| *byte == 0));
}

#[test]
fn damaged_bytes_are_an_error_that_says_where() {
    let many = |place: usize, byte: u8| {
        let mut bytes = vec![0; MANY_BYTES];
        bytes[place] = byte;
        bytes
    };
    let ascending = |prints: u32| (0..prints).flat_map(u32::to_le_bytes).collect();
    #[rustfmt::skip]
    let cases: &[(&str, Vec<u8>, Result<u64, Damage>)] = &[
        ("empty",        vec![],                     Ok(0)),
        ("most few",     ascending(160),             Ok(160)),
        ("too many few", ascending(161),             Err(Damage::Length { bytes: 644 })),
        ("odd",          vec![0; 5],                 Err(Damage::Length { bytes: 5 })),
        ("cut",          vec![1; MANY_BYTES - 1],    Err(Damage::Length { bytes: 2_559 })),
        ("longer",       vec![1; MANY_BYTES + 1],    Err(Damage::Length { bytes: 2_561 })),
        ("twice",        vec![7; 8],                 Err(Damage::Order { place: 1 })),
        ("descending",   vec![0, 0, 0, 2, 9, 0, 0, 1], Err(Damage::Order { place: 1 })),
        ("highest rank", many(5, 21),                Ok(161)),
        ("rank",         many(5, 22),                Err(Damage::Rank { index: 8, rank: 22 })),
        ("no rank",      vec![0; MANY_BYTES],        Err(Damage::NoRank)),
    ];
    for (name, bytes, want) in cases {
        assert_eq!(read(bytes).map(|s| s.estimate()), *want, "{name}");
        let json = serde_json::to_vec(bytes).unwrap();
        let listed = serde_json::from_slice::<Distinct>(&json);
        assert_eq!(listed.map(|s| s.estimate()).ok(), want.ok(), "{name}");
    }
    let endless = serde_json::to_vec(&vec![1; 100_000]).unwrap();
    assert!(serde_json::from_slice::<Distinct>(&endless).is_err());
}

/// Uniform hashes, hashes of every rank, and few enough to meet again.
fn hash() -> impl Strategy<Value = u64> {
    prop_oneof![
        any::<u64>(),
        (0u64..4_096, 0u32..22, any::<u64>())
            .prop_map(|(index, zeros, rest)| index << 52 | rest >> 12 >> zeros),
        (0u64..60).prop_map(|print| print << 32),
    ]
}

fn some() -> impl Strategy<Value = Vec<u64>> {
    prop_oneof![
        prop::collection::vec(hash(), 0..12),
        prop::collection::vec(hash(), 120..300),
    ]
}

proptest! {
    /// Any order, any repetition and any grouping of merges give the same sketch and bytes.
    #[test]
    fn a_sketch_is_that_of_its_set(
        parts in prop::collection::vec(some(), 1..6),
        again in any::<prop::sample::Index>(),
        pairs in prop::collection::vec(any::<(prop::sample::Index, bool)>(), 6),
        order in any::<u64>(),
    ) {
        let all = parts.concat();
        let mut shuffled = all.clone();
        shuffled.sort_by_key(|hash| (hash ^ order).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let want = of(shuffled);
        let mut sketches: Vec<_> = parts.iter().map(|part| of(part.clone())).collect();
        sketches.push(again.get(&sketches).clone());
        for (pair, turned) in pairs {
            let Some(last) = sketches.pop() else { break };
            if sketches.is_empty() {
                sketches.push(last);
                break;
            }
            let place = pair.index(sketches.len());
            let held = &sketches[place];
            sketches[place] = if turned { merged(&last, held) } else { merged(held, &last) };
        }
        prop_assert_eq!(sketches.len(), 1);
        prop_assert!(sketches[0] == want);
        prop_assert!(stored(&sketches[0]) == stored(&want));
        prop_assert!(stored(&want) == naive(&all));
        prop_assert!(postcard::from_bytes::<Distinct>(&stored(&want)).unwrap() == want);
        let json = serde_json::to_vec(&want).unwrap();
        prop_assert!(serde_json::from_slice::<Distinct>(&json).unwrap() == want);
    }

    /// Merging is commutative, associative and idempotent, and the empty one changes nothing.
    #[test]
    fn merging_is_a_union(a in some(), b in some(), c in some()) {
        let (a, b, c) = (of(a), of(b), of(c));
        let ab = merged(&a, &b);
        prop_assert!(ab == merged(&b, &a));
        prop_assert!(merged(&ab, &c) == merged(&a, &merged(&b, &c)));
        prop_assert!(merged(&ab, &ab) == ab && merged(&ab, &a) == ab);
        prop_assert!(merged(&a, &Distinct::default()) == a);
        prop_assert!(merged(&Distinct::default(), &a) == a);
    }

    /// An estimate never falls when more is added.
    #[test]
    fn an_estimate_never_falls(hashes in prop::collection::vec(hash(), 0..400)) {
        let mut sketch = Distinct::default();
        for hash in hashes {
            let before = sketch.estimate();
            sketch.add(hash);
            prop_assert!(sketch.estimate() >= before);
        }
    }

    /// Bytes that are read are the stored form of what was read; others are an error.
    #[test]
    fn any_bytes_are_read_or_refused(
        noise in prop::collection::vec(any::<u8>(), 0..3_000),
        hashes in some(),
        changes in prop::collection::vec(any::<(prop::sample::Index, u8)>(), 0..3),
    ) {
        let _ = postcard::from_bytes::<Distinct>(&noise);
        let _ = serde_json::from_slice::<Distinct>(&noise);
        let (sketch, mut changed) = (of(hashes), Vec::new());
        changed.extend(postcard::from_bytes::<Vec<u8>>(&stored(&sketch)).unwrap());
        for (place, byte) in changes.iter().filter(|_| !sketch.is_empty()) {
            *place.get_mut(&mut changed) = *byte;
        }
        for bytes in [noise, changed] {
            if let Ok(sketch) = read(&bytes) {
                prop_assert!(stored(&sketch) == postcard::to_stdvec(&bytes).unwrap());
            }
        }
    }
}
