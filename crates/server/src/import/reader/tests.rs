//! Golden rows, bad rows by reason, places to go on, and bytes of every kind.

use super::*;
use proptest::prelude::*;

const REES46: &str =
    "event_time,event_type,product_id,category_id,category_code,brand,price,user_id,user_session\n";
const RETAIL: &str = "event_time,event_type,product_id,quantity,price,user_id,order_id,country\n";

fn name() -> Fingerprint {
    Fingerprint::of(&b"file"[..]).unwrap()
}

/// One line per row: the position, then what it holds.
fn shown(format: EventFormat, input: &[u8], from: u64) -> Vec<String> {
    let reader = EventReader::new(input, format, name(), from).unwrap();
    reader.map(|row| show(row.unwrap())).collect()
}

fn show(row: Row<EventDraft>) -> String {
    let next = row.next;
    match row.outcome {
        RowOutcome::Skipped(reason) => format!("{next} skipped {reason}"),
        RowOutcome::Bad(why) => {
            let (code, field) = (why.code, why.field);
            format!(
                "{next} bad {code} {field} <{}>",
                String::from_utf8_lossy(&row.bytes)
            )
        }
        RowOutcome::Good(draft) => {
            let who = draft.user_id.or(draft.anonymous_id).unwrap_or_default();
            let money = draft.price.map(|p| p.to_string()).unwrap_or_default();
            format!(
                "{next} {} {who} {} {} {money}{} x{} {}",
                draft.event_type.unwrap_or_default(),
                draft.product_id.unwrap_or_default(),
                draft.event_time.map(|t| t.to_string()).unwrap_or_default(),
                draft.currency.unwrap_or_default(),
                draft.quantity.unwrap_or(1),
                draft.session_id.unwrap_or_default(),
            )
        }
    }
}

#[test]
fn rees46_rows() {
    #[rustfmt::skip]
    let cases: &[(&str, &[u8], &str)] = &[
        ("view",         b"2019-10-01 00:00:00 UTC,view,44600062,21,,shiseido,35.79,541312140,72d7",
                         "view 541312140 44600062 2019-10-01T00:00:00Z 35.79USD x1 72d7"),
        ("cart",         b"2019-10-01 00:00:01 UTC,cart,5,21,,,1,9,s",
                         "add_to_cart 9 5 2019-10-01T00:00:01Z 1.00USD x1 s"),
        ("no price",     b"2019-10-01 00:00:01 UTC,remove_from_cart,5,21,,,,9,s",
                         "remove_from_cart 9 5 2019-10-01T00:00:01Z  x1 s"),
        ("no time",      b",view,5,21,,,1,9,s",                       "bad missing_field event_time <…>"),
        ("bad time",     b"01.10.2019,view,5,21,,,1,9,s",             "bad invalid_type event_time <…>"),
        ("bad price",    b"2019-10-01 00:00:00 UTC,view,5,,,,NaN,9,s", "bad invalid_type price <…>"),
        ("price words",  b"2019-10-01 00:00:00 UTC,view,5,,,,free,9,s","bad invalid_type price <…>"),
        ("too few",      b"2019-10-01 00:00:00 UTC,view",             "bad wrong_field_count  <…>"),
        ("too many",     b"2019-10-01 00:00:00 UTC,view,5,,,,1,9,s,x","bad wrong_field_count  <…>"),
        ("not utf-8",    b"2019-10-01 00:00:00 UTC,view,5,,,,1,9\xff,s", "bad invalid_utf8 user_id <…>"),
    ];
    for (name, row, want) in cases {
        let input = [REES46.as_bytes(), row, b"\n"].concat();
        let bytes = String::from_utf8_lossy(row);
        let want = format!("{} {}", input.len(), want.replace('…', &bytes));
        assert_eq!(shown(EventFormat::Rees46, &input, 0), [want], "{name}");
    }
}

#[test]
fn online_retail_rows() {
    #[rustfmt::skip]
    let cases: &[(&str, &str, &str)] = &[
        ("purchase",   "2010-12-01T08:26:00,purchase,85123A,6,2.55,17850,536365,United Kingdom",
                       "purchase 17850 85123A 2010-12-01T08:26:00Z 2.55GBP x6 536365"),
        ("summer",     "2011-07-01T08:26:00,purchase,85123A,6,2.55,17850,536365,United Kingdom",
                       "purchase 17850 85123A 2011-07-01T07:26:00Z 2.55GBP x6 536365"),
        ("guest",      "2010-12-01T08:26:00,purchase,85123A,6,2.55,,536365,France",
                       "purchase guest-536365 85123A 2010-12-01T08:26:00Z 2.55GBP x6 536365"),
        ("return",     "2010-12-01T09:41:00,return,D,-1,27.5,14527,C536379,United Kingdom",
                       "return 14527 D 2010-12-01T09:41:00Z 27.50GBP x1 C536379"),
        ("adjustment", "2010-12-01T09:41:00,adjustment,B,1,-11062.06,,A563187,United Kingdom",
                       "skipped not_an_event"),
        ("negative",   "2010-12-01T09:41:00,purchase,D,-1,27.5,14527,C536379,United Kingdom",
                       "bad invalid_type quantity <2010-12-01T09:41:00,purchase,D,-1,27.5,14527,C536379,United Kingdom>"),
        ("quoted",     "2010-12-01T08:26:00,purchase,85123A,6,2.55,17850,536365,\"Korea, South\"",
                       "purchase 17850 85123A 2010-12-01T08:26:00Z 2.55GBP x6 536365"),
    ];
    for (name, row, want) in cases {
        let input = format!("{RETAIL}{row}\n");
        let want = format!("{} {want}", input.len());
        assert_eq!(
            shown(EventFormat::OnlineRetail, input.as_bytes(), 0),
            [want],
            "{name}"
        );
    }
}

#[test]
fn jsonl_rows() {
    #[rustfmt::skip]
    let cases: &[(&str, &[u8], &str)] = &[
        ("view",     br#"{"event_type":"view","user_id":"u","product_id":"p","event_time":0}"#,
                     "view u p 1970-01-01T00:00:00Z  x1 "),
        ("a number", b"7",                      "bad not_an_object  <7>"),
        ("cut",      br#"{"event_type":"#,      r#"bad invalid_json  <{"event_type":>"#),
        ("type",     br#"{"user_id":7}"#,       r#"bad invalid_type user_id <{"user_id":7}>"#),
    ];
    for (name, row, want) in cases {
        let want = format!("{} {want}", row.len());
        assert_eq!(shown(EventFormat::Jsonl, row, 0), [want], "{name}");
    }
}

#[test]
fn a_row_over_the_limit_is_one_bad_row() {
    let mut input = vec![b'x'; vitrina_types::limits::EVENT_BYTES_MAX + 5];
    input.push(b'\n');
    input.extend_from_slice(br#"{"event_type":"search"}"#);
    let rows = shown(EventFormat::Jsonl, &input, 0);
    assert!(
        rows[0].contains("bad event_too_large"),
        "{}",
        &rows[0][..40]
    );
    assert!(rows[1].contains("search"), "{}", rows[1]);
}

#[test]
fn reading_goes_on_where_it_stopped_with_the_same_ids() {
    let rows: String = (0..50)
        .map(|n| format!("2019-10-01 00:00:{n:02} UTC,view,5,,,,1,9,s\n"))
        .collect();
    let input = format!("{REES46}{rows}");
    let ids = |from| -> Vec<(u64, Option<String>)> {
        let reader = EventReader::new(input.as_bytes(), EventFormat::Rees46, name(), from).unwrap();
        let rows = reader.map(|row| row.unwrap());
        rows.map(|row| match row.outcome {
            RowOutcome::Good(draft) => (row.next, draft.event_id),
            _ => panic!("all rows are good"),
        })
        .collect()
    };
    let whole = ids(0);
    assert_eq!(whole.len(), 50);
    for (at, (next, _)) in whole.iter().enumerate() {
        assert_eq!(ids(*next), whole[at + 1..], "from {next}");
    }
    let distinct: std::collections::BTreeSet<_> = whole.iter().map(|(_, id)| id).collect();
    assert_eq!(distinct.len(), 50);
}

#[test]
fn the_shop_keeps_its_own_event_ids() {
    let line = br#"{"event_id":"mine","event_type":"search","query":"q","user_id":"u"}"#;
    let mut reader = EventReader::new(&line[..], EventFormat::Jsonl, name(), 0).unwrap();
    match reader.next().unwrap().unwrap().outcome {
        RowOutcome::Good(draft) => assert_eq!(draft.event_id.as_deref(), Some("mine")),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_file_of_another_kind_is_refused_by_its_columns() {
    let error = EventReader::new(&b"a,b\n"[..], EventFormat::Rees46, name(), 0)
        .err()
        .unwrap();
    assert_eq!(
        error.to_string(),
        "the file has columns a, b; format rees46 needs event_time, event_type, product_id, user_id"
    );
    assert!(EventReader::new(&b""[..], EventFormat::Rees46, name(), 0).is_err());
}

#[test]
fn a_cut_off_archive_gives_its_rows_and_then_says_so() {
    use std::io::Write;
    let rows: String = (0..30_000)
        .map(|n| {
            format!(
                "2019-10-01 00:00:00 UTC,view,{n},,,,{n},{},s\n",
                n * 7919 % 10_007
            )
        })
        .collect();
    let input = format!("{REES46}{rows}").into_bytes();
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(&input).unwrap();
    let gz = encoder.finish().unwrap();
    let zst = zstd::encode_all(&input[..], 1).unwrap();
    for (name_, bytes) in [("gzip", gz), ("zstd", zst)] {
        let cut = io::Cursor::new(bytes[..bytes.len() * 3 / 4].to_vec());
        let stream = crate::import::open::uncompress(cut).unwrap();
        let reader = EventReader::new(stream, EventFormat::Rees46, name(), 0).unwrap();
        let rows: Vec<_> = reader.collect();
        let (last, before) = rows.split_last().unwrap();
        assert!(matches!(last, Err(ReadError::Broken { .. })), "{name_}");
        assert!(
            before.len() > 1_000 && before.iter().all(Result::is_ok),
            "{name_}"
        );
    }
}

#[test]
fn product_rows() {
    let rees46 = "product_id,category_id,category_code,brand,price\n1002098,205,electronics.smartphone,samsung,409.02\n7,206,,,\nx,,,,-1\n";
    let retail = "product_id,title,price,first_sold,last_sold,purchases,units,is_service\n17107D,\"FLOWER FAIRY,5 SUMMER B'DRAW LINERS\",2.55,,,26,109,False\nPOST,POSTAGE,18,,,1,1,True\n";
    let json = r#"{"product_id":"p","title":"Часы","category_path":["a","b"],"price":"9.5","currency":"eur"}
{"title":"x"}
{"product_id":5}
{"#;
    #[rustfmt::skip]
    let cases: &[(ProductFormat, &str, &[&str])] = &[
        (ProductFormat::Rees46, rees46, &[
            "samsung · smartphone · 1002098 electronics/smartphone 409.02 USD true 205",
            "7    true 206",
            "bad out_of_range price",
        ]),
        (ProductFormat::OnlineRetail, retail, &[
            "FLOWER FAIRY,5 SUMMER B'DRAW LINERS  2.55 GBP true ",
            "POSTAGE  18.00 GBP false ",
        ]),
        (ProductFormat::Jsonl, json, &[
            "Часы a/b 9.50 EUR true ",
            "bad missing_field product_id",
            "bad invalid_product ",
            "bad invalid_json ",
        ]),
    ];
    for (format, input, want) in cases {
        let reader = ProductReader::new(input.as_bytes(), *format, EventTime(0)).unwrap();
        let got: Vec<_> = reader.map(|row| show_product(row.unwrap())).collect();
        assert_eq!(got, *want, "{}", format.name());
    }
}

fn show_product(row: Row<Product>) -> String {
    match row.outcome {
        RowOutcome::Good(p) => format!(
            "{} {} {} {} {} {}",
            p.shown_as(),
            p.category_path.join("/"),
            p.price.map(|price| price.to_string()).unwrap_or_default(),
            p.currency
                .map(|c| c.as_str().to_owned())
                .unwrap_or_default(),
            p.available,
            p.attributes.get("category_id").cloned().unwrap_or_default(),
        ),
        RowOutcome::Bad(why) => format!("bad {} {}", why.code, why.field),
        RowOutcome::Skipped(reason) => format!("skipped {reason}"),
    }
}

proptest! {
    /// Whatever the bytes, every row is read or refused and nothing panics.
    #[test]
    fn arbitrary_bytes_never_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..300),
        from in 0u64..400,
    ) {
        for (format, header) in [
            (EventFormat::Rees46, REES46),
            (EventFormat::OnlineRetail, RETAIL),
            (EventFormat::Jsonl, ""),
        ] {
            let input = [header.as_bytes(), &bytes].concat();
            let reader = EventReader::new(&input[..], format, name(), from).unwrap();
            let mut last = from.max(header.len() as u64);
            for row in reader {
                let next = row.unwrap().next;
                prop_assert!(next > last || from > input.len() as u64);
                last = next;
            }
        }
        let _ = crate::import::open::uncompress(io::Cursor::new(bytes))
            .map(|stream| EventReader::new(stream, EventFormat::Jsonl, name(), 0).map(|r| r.count()));
    }
}
