//! Request bodies: read with a limit, decompressed with a limit.
//!
//! A bomb is never unpacked: decompression stops at the first byte over the limit. Memory is
//! taken from the [`Budget`](super::budget::Budget) as it is needed.

use super::budget::{Budget, Share};
use super::problem::Problem;
use axum::body::Body;
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use std::io::Read;
use vitrina_types::limits::REQUEST_BYTES_MAX;

/// Unpacked in one step.
const STEP_BYTES: usize = 64 * 1_024;
/// Largest window of a zstd frame, as a power of two: 8 MiB. A frame that needs more is refused,
/// or it would take up to 2 GiB of memory before the first byte came out.
const ZSTD_WINDOW_LOG_MAX: u32 = 23;

/// How a body is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    /// Not at all.
    Plain,
    /// `gzip`.
    Gzip,
    /// `zstd`.
    Zstd,
}

impl Packing {
    /// Reads `Content-Encoding`.
    ///
    /// # Errors
    /// `415` for anything but `gzip`, `zstd` and `identity`.
    pub fn of(headers: &HeaderMap) -> Result<Self, Problem> {
        let Some(value) = headers.get(CONTENT_ENCODING) else {
            return Ok(Self::Plain);
        };
        match value
            .as_bytes()
            .trim_ascii()
            .to_ascii_lowercase()
            .as_slice()
        {
            b"" | b"identity" => Ok(Self::Plain),
            b"gzip" | b"x-gzip" => Ok(Self::Gzip),
            b"zstd" => Ok(Self::Zstd),
            _ => Err(Problem::unsupported(
                "unsupported_encoding",
                "Content-Encoding must be gzip, zstd or identity",
            )),
        }
    }
}

/// A body in memory, with the share of the budget it lives on.
#[derive(Debug)]
pub struct Held {
    /// The body, unpacked.
    pub bytes: Bytes,
    /// Kept as long as the body is needed.
    pub share: Share,
}

/// Reads a body and unpacks it.
///
/// # Errors
/// `413` over the limit, `400` when it does not unpack or breaks off, `415` for an unknown
/// packing, `503` when too many bodies are in memory.
pub async fn read(headers: &HeaderMap, body: Body, budget: &Budget) -> Result<Held, Problem> {
    let packing = Packing::of(headers)?;
    let mut share = budget.share();
    let packed = collect(headers, body, &mut share).await?;
    if packing == Packing::Plain {
        return Ok(Held {
            bytes: packed,
            share,
        });
    }
    let unpacking = tokio::task::spawn_blocking(move || {
        let bytes = unpack(packing, &packed, REQUEST_BYTES_MAX, &mut share)?;
        Ok(Held { bytes, share })
    });
    match unpacking.await {
        Ok(held) => held,
        Err(error) => Err(Problem::internal(&format!("unpacking failed: {error}"))),
    }
}

fn too_large() -> Problem {
    Problem::too_large(
        "body_too_large",
        format!("a body has at most {REQUEST_BYTES_MAX} bytes, after decompression too"),
    )
}

async fn collect(headers: &HeaderMap, mut body: Body, share: &mut Share) -> Result<Bytes, Problem> {
    let declared = headers.get(CONTENT_LENGTH);
    let declared = declared.and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if declared.is_some_and(|bytes| bytes > REQUEST_BYTES_MAX) {
        return Err(too_large());
    }
    let mut first: Option<Bytes> = None;
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame =
            frame.map_err(|_| Problem::bad_request("incomplete_body", "the body broke off"))?;
        let Ok(chunk) = frame.into_data() else {
            continue;
        };
        let so_far = first.as_ref().map_or(0, Bytes::len) + whole.len();
        if so_far + chunk.len() > REQUEST_BYTES_MAX {
            return Err(too_large());
        }
        share.take(chunk.len())?;
        // A body in one chunk, as most are, is not copied.
        if so_far == 0 {
            first = Some(chunk);
            continue;
        }
        if let Some(chunk) = first.take() {
            whole.reserve(declared.unwrap_or(0).max(chunk.len()));
            whole.extend_from_slice(&chunk);
        }
        whole.extend_from_slice(&chunk);
    }
    Ok(first.unwrap_or_else(|| whole.freeze()))
}

/// Unpacks at most `limit` bytes.
///
/// # Errors
/// `413` over the limit, `400` when the input is damaged or breaks off, `503` when the budget is
/// used up.
pub fn unpack(
    packing: Packing,
    packed: &[u8],
    limit: usize,
    share: &mut Share,
) -> Result<Bytes, Problem> {
    match packing {
        Packing::Plain => Ok(Bytes::copy_from_slice(packed)),
        Packing::Gzip => drain(flate2::bufread::MultiGzDecoder::new(packed), limit, share),
        Packing::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(packed).map_err(damaged)?;
            decoder
                .window_log_max(ZSTD_WINDOW_LOG_MAX)
                .map_err(damaged)?;
            drain(decoder, limit, share)
        }
    }
}

fn damaged(_: std::io::Error) -> Problem {
    Problem::bad_request(
        "invalid_compression",
        "the body does not decompress: it is damaged, truncated or not what Content-Encoding says",
    )
}

fn drain(mut from: impl Read, limit: usize, share: &mut Share) -> Result<Bytes, Problem> {
    let mut out = Vec::new();
    loop {
        let start = out.len();
        share.take(STEP_BYTES)?;
        out.resize(start + STEP_BYTES, 0);
        let mut filled = start;
        while filled < out.len() {
            match from.read(&mut out[filled..]).map_err(damaged)? {
                0 => {
                    out.truncate(filled);
                    return Ok(out.into());
                }
                count => filled += count,
            }
            if filled > limit {
                return Err(too_large());
            }
        }
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

    fn zstd(bytes: &[u8]) -> Vec<u8> {
        zstd::encode_all(bytes, 1).unwrap()
    }

    #[test]
    fn unpack_cases() {
        let text = b"{\"event_type\":\"view\"}".repeat(5_000);
        let bomb = vec![b' '; 2 * REQUEST_BYTES_MAX];
        let cut = |bytes: Vec<u8>| bytes[..bytes.len() / 2].to_vec();
        let two = [gzip(&text[..100]), gzip(&text[100..])].concat();
        #[rustfmt::skip]
        let cases: Vec<(&str, Packing, Vec<u8>, Result<usize, &str>)> = vec![
            ("gzip",            Packing::Gzip, gzip(&text),        Ok(text.len())),
            ("gzip, two parts", Packing::Gzip, two,                Ok(text.len())),
            ("zstd",            Packing::Zstd, zstd(&text),        Ok(text.len())),
            ("gzip cut",        Packing::Gzip, cut(gzip(&text)),   Err("invalid_compression")),
            ("zstd cut",        Packing::Zstd, cut(zstd(&text)),   Err("invalid_compression")),
            ("not gzip",        Packing::Gzip, b"hello".to_vec(),  Err("invalid_compression")),
            ("not zstd",        Packing::Zstd, b"hello".to_vec(),  Err("invalid_compression")),
            ("nothing",         Packing::Gzip, Vec::new(),         Err("invalid_compression")),
            ("gzip bomb",       Packing::Gzip, gzip(&bomb),        Err("body_too_large")),
            ("zstd bomb",       Packing::Zstd, zstd(&bomb),        Err("body_too_large")),
        ];
        let budget = Budget::new(64 * 1_024 * 1_024);
        for (name, packing, packed, want) in cases {
            let got = unpack(packing, &packed, REQUEST_BYTES_MAX, &mut budget.share());
            let got = got
                .map(|bytes| bytes.len())
                .map_err(|p| p.code.into_owned());
            assert_eq!(got, want.map_err(str::to_owned), "{name}");
        }
    }

    #[test]
    fn unpacking_stops_when_the_budget_does() {
        let budget = Budget::new(4 * STEP_BYTES);
        let packed = gzip(&vec![0; 100 * STEP_BYTES]);
        let got = unpack(Packing::Gzip, &packed, usize::MAX / 2, &mut budget.share());
        assert_eq!(got.unwrap_err().code, "overloaded");
    }
}
