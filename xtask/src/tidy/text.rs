//! Rules over bare text: length, header, paths of somebody's machine.

use super::Violation;
use super::tree::Tree;

/// Lines of one file; with more it does two things.
const FILE_LINES_MAX: usize = 500;

/// Roots of folders that exist on one machine and not on the next.
const MACHINE_ROOTS: [&str; 3] = ["work", "root", "home"];

pub(super) fn check(tree: &Tree, out: &mut Vec<Violation>) {
    for file in &tree.texts {
        if file.path.ends_with(".rs") {
            length(&file.path, &file.text, out);
            header(&file.path, &file.text, out);
        }
        for (before, line) in file.text.lines().enumerate() {
            if let Some(found) = machine_path(line) {
                let text = format!("{found} is a path of one machine; use a relative path");
                out.push(Violation::new(&file.path, before + 1, "machine-path", text));
            }
        }
    }
}

fn length(path: &str, text: &str, out: &mut Vec<Violation>) {
    let lines = text.lines().count();
    if lines > FILE_LINES_MAX {
        let text = format!("{lines} lines, more than {FILE_LINES_MAX}; split the file");
        out.push(Violation::new(
            path,
            FILE_LINES_MAX + 1,
            "file-length",
            text,
        ));
    }
}

fn header(path: &str, text: &str, out: &mut Vec<Violation>) {
    if !text.starts_with("//!") {
        let text = "does not begin with `//!`; say what the file is";
        out.push(Violation::new(path, 1, "header", text));
    }
}

/// An absolute path below one of the roots. `a/home/b` and `~/work/x` are none.
fn machine_path(line: &str) -> Option<String> {
    MACHINE_ROOTS.iter().find_map(|root| {
        let pattern = format!("/{root}/");
        line.match_indices(&pattern).find_map(|(at, found)| {
            let before = line[..at].chars().next_back();
            let is_inside = |c: char| c.is_alphanumeric() || "_-.~$*})".contains(c);
            (!before.is_some_and(is_inside)).then(|| found.to_owned())
        })
    })
}
