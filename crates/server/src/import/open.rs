//! Opening a file: what it is compressed with, and how far reading has come.

use super::fingerprint::Fingerprint;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes read ahead, compressed and uncompressed each.
const BUFFER_BYTES: usize = 256 * 1_024;
/// Bytes of the uncompressed beginning that the format is told from.
const HEAD_BYTES: usize = 4 * 1_024;

/// Bytes taken from the file so far, still compressed: for a progress bar.
#[derive(Debug, Clone, Default)]
pub struct Progress(Arc<AtomicU64>);

impl Progress {
    /// How many.
    pub fn bytes(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

struct Counting<R> {
    input: R,
    progress: Progress,
}

impl<R: Read> Read for Counting<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let got = self.input.read(out)?;
        self.progress.0.fetch_add(got as u64, Ordering::Relaxed);
        Ok(got)
    }
}

/// The uncompressed stream.
pub type Stream = Box<dyn BufRead + Send>;

/// Uncompresses `input` by its first bytes: gzip (also several members), Zstandard, or neither.
///
/// # Errors
/// Whatever reading fails with.
pub fn uncompress(input: impl Read + Send + 'static) -> io::Result<Stream> {
    let mut input = BufReader::with_capacity(BUFFER_BYTES, input);
    let mut magic = [0; 4];
    let held = peek(&mut input, &mut magic)?;
    Ok(match &magic[..held] {
        [0x1f, 0x8b, ..] => Box::new(BufReader::with_capacity(
            BUFFER_BYTES,
            flate2::bufread::MultiGzDecoder::new(input),
        )),
        [0x28, 0xb5, 0x2f, 0xfd] => Box::new(BufReader::with_capacity(
            BUFFER_BYTES,
            zstd::stream::read::Decoder::with_buffer(input)?,
        )),
        _ => Box::new(input),
    })
}

/// Copies the first bytes without taking them. A large buffer holds them after one read, unless
/// the file is shorter.
fn peek(input: &mut impl BufRead, out: &mut [u8]) -> io::Result<usize> {
    let held = input.fill_buf()?;
    let count = held.len().min(out.len());
    out[..count].copy_from_slice(&held[..count]);
    Ok(count)
}

/// A file to import.
pub struct Input {
    /// Its identity.
    pub fingerprint: Fingerprint,
    /// Bytes of the file as it lies on disk.
    pub bytes: u64,
    /// How many of them are read.
    pub progress: Progress,
    /// Its content.
    pub stream: Stream,
}

impl Input {
    /// Opens a file, after hashing it once.
    ///
    /// # Errors
    /// When it is not there or cannot be read.
    pub fn open(path: &Path) -> io::Result<Self> {
        let fingerprint = Fingerprint::of(File::open(path)?)?;
        let file = File::open(path)?;
        let bytes = file.metadata()?.len();
        Self::new(file, fingerprint, bytes)
    }

    /// Bytes in memory.
    ///
    /// # Errors
    /// When they are no archive although they begin like one.
    pub fn embedded(content: &'static [u8]) -> io::Result<Self> {
        Self::new(content, Fingerprint::of(content)?, content.len() as u64)
    }

    fn new(
        input: impl Read + Send + 'static,
        fingerprint: Fingerprint,
        bytes: u64,
    ) -> io::Result<Self> {
        let progress = Progress::default();
        let counting = Counting {
            input,
            progress: progress.clone(),
        };
        Ok(Self {
            fingerprint,
            bytes,
            progress,
            stream: uncompress(counting)?,
        })
    }

    /// The beginning of the content, without taking it: enough to tell the format.
    ///
    /// # Errors
    /// When the stream is broken at its beginning.
    pub fn head(&mut self) -> io::Result<Vec<u8>> {
        let mut head = vec![0; HEAD_BYTES];
        let held = peek(&mut self.stream, &mut head)?;
        head.truncate(held);
        Ok(head)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn read(bytes: Vec<u8>) -> io::Result<Vec<u8>> {
        let mut out = Vec::new();
        uncompress(io::Cursor::new(bytes))?.read_to_end(&mut out)?;
        Ok(out)
    }

    #[test]
    fn every_compression_gives_the_same_bytes() {
        let text = b"event_time,event_type\n".repeat(1_000);
        let two = [gzip(&text[..100]), gzip(&text[100..])].concat();
        let zst = zstd::encode_all(&text[..], 1).unwrap();
        for (name, bytes) in [
            ("plain", text.clone()),
            ("gzip", gzip(&text)),
            ("two members", two),
            ("zstd", zst),
        ] {
            assert_eq!(read(bytes).unwrap(), text, "{name}");
        }
        assert_eq!(read(Vec::new()).unwrap(), b"");
        assert_eq!(read(vec![0x28]).unwrap(), [0x28]);
    }

    #[test]
    fn a_cut_off_archive_is_an_error() {
        let text: Vec<u8> = (0..40_000u32)
            .flat_map(|n| n.to_string().into_bytes())
            .collect();
        let gz = gzip(&text);
        let zst = zstd::encode_all(&text[..], 1).unwrap();
        for (name, bytes) in [("gzip", gz), ("zstd", zst)] {
            for cut in [bytes.len() / 2, bytes.len() - 1] {
                assert!(read(bytes[..cut].to_vec()).is_err(), "{name} cut at {cut}");
            }
        }
    }
}
