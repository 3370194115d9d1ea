//! Numbers nobody can guess, and those of them that a data directory keeps.

use std::hash::{BuildHasher, RandomState};
use std::io;
use std::path::Path;
use std::time::SystemTime;

/// A number nobody can guess, from the system; good enough without it, since `RandomState` is
/// seeded from there too.
pub(crate) fn number() -> u64 {
    RandomState::new().hash_one(SystemTime::now())
}

/// The number in `file`, made once and then kept.
///
/// # Errors
/// When the file is damaged, or cannot be read or written.
pub(crate) fn kept(file: &Path) -> io::Result<u64> {
    match std::fs::read_to_string(file) {
        Ok(text) => u64::from_str_radix(text.trim(), 16).map_err(|_| {
            let text = format!("{} is damaged", file.display());
            io::Error::new(io::ErrorKind::InvalidData, text)
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let number = number();
            crate::files::write_whole(file, format!("{number:016x}\n").as_bytes())?;
            Ok(number)
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_made_once() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("number");
        let made = kept(&file).unwrap();
        assert_eq!(kept(&file).unwrap(), made);
        assert_ne!(kept(&dir.path().join("other")).unwrap(), made);
        std::fs::write(&file, "zz").unwrap();
        let refused = kept(&file).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::InvalidData);
        assert!(
            refused.to_string().contains("number is damaged"),
            "{refused}"
        );
    }
}
