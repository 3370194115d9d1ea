//! A table for people: columns as wide as their widest cell.

/// Lays out `rows` under `head`; numbers stand to the right.
pub(crate) fn table<const N: usize>(head: [&str; N], rows: &[[String; N]]) -> String {
    let width = |text: &str| text.chars().count();
    let mut widths = head.map(width);
    for row in rows {
        for (widest, cell) in widths.iter_mut().zip(row) {
            *widest = (*widest).max(width(cell));
        }
    }
    let mut lines = vec![line(&head.map(str::to_owned), &widths)];
    lines.extend(rows.iter().map(|row| line(row, &widths)));
    lines.join("\n")
}

fn line<const N: usize>(cells: &[String; N], widths: &[usize; N]) -> String {
    let padded = cells.iter().zip(widths).map(|(cell, &width)| {
        let is_number = !cell.is_empty() && cell.bytes().all(|b| b.is_ascii_digit() || b == b'.');
        if is_number {
            format!("{cell:>width$}")
        } else {
            format!("{cell:<width$}")
        }
    });
    padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let rows = [
            ["1".to_owned(), "часы".to_owned(), "9.50".to_owned()],
            [
                "12".to_owned(),
                "samsung · phone".to_owned(),
                "130.76".to_owned(),
            ],
        ];
        let want =
            "#   product          price\n 1  часы               9.50\n12  samsung · phone  130.76";
        assert_eq!(table(["#", "product", "price"], &rows), want);
        assert_eq!(table(["a", "b"], &[]), "a  b");
    }
}
