//! A quick look at a line as nearly all are: one flat JSON object without spaces or escapes.
//!
//! The law: where it answers at all, it answers what the parser of `line` makes of the line. So
//! whatever is out of the ordinary is left to that one.

use super::line::{DIGITS_MAX, Draft, Field, field, kind, user_hash};
use vitrina_types::id::ProductId;
use vitrina_types::money::{Amount, Currency};
use vitrina_types::time::EventTime;

/// Digits that fit a `u64` whatever they are.
const SAFE_DIGITS: usize = DIGITS_MAX - 1;
/// Decimals of an amount; more of them would have to be rounded.
const DECIMALS_MAX: usize = 4;
/// Digits of an amount, decimals included, of which every one counts in a float.
const EXACT_DIGITS: usize = 14;

/// What the line says; `None` where somebody else has to look.
#[inline]
pub(super) fn draft(text: &str) -> Option<Draft> {
    // One pass without a branch in it, and strings end at the next quote.
    let odd = |odd: bool, byte: &u8| odd | (*byte < 0x20) | (*byte == b'\\');
    if text.as_bytes().iter().fold(false, odd) {
        return None;
    }
    let mut draft = Draft::default();
    let mut scan = Scan { text, at: 0 };
    scan.take(b'{')?;
    loop {
        let name = scan.string()?;
        scan.take(b':')?;
        match field(name.as_bytes()) {
            Field::At => draft.at = Some(scan.time()?),
            Field::Kind => draft.kind = Some(kind(scan.string()?)?),
            Field::Product => draft.product = Some(ProductId::new(scan.string_or_digits()?).ok()?),
            Field::Price => draft.price = Some(scan.amount()?),
            Field::Quantity => draft.quantity = Some(u32::try_from(scan.whole()?).ok()?),
            Field::Currency => draft.currency = Some(Currency::new(scan.string()?).ok()?),
            Field::User => draft.visitor = Some(user_hash(scan.string_or_digits()?.as_bytes())?.0),
            Field::Other => scan.pass()?,
        }
        match scan.next()? {
            b',' => {}
            b'}' => break,
            _ => return None,
        }
    }
    (scan.at == text.len()).then_some(draft)
}

/// A text and how far it was read.
struct Scan<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scan<'a> {
    #[inline]
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    #[inline]
    fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    #[inline]
    fn take(&mut self, wanted: u8) -> Option<()> {
        (self.next()? == wanted).then_some(())
    }

    /// A string; there is no escape in the whole text.
    #[inline]
    fn string(&mut self) -> Option<&'a str> {
        self.take(b'"')?;
        let start = self.at;
        let end = start + quote(self.text.as_bytes().get(start..)?)?;
        self.at = end + 1;
        self.text.get(start..end)
    }

    /// The digits of a whole number as JSON has them, not too many for a `u64`.
    #[inline]
    fn digits(&mut self) -> Option<&'a str> {
        let rest = self.text.get(self.at..)?;
        let count = rest.bytes().take_while(u8::is_ascii_digit).count();
        let is_padded = count > 1 && rest.starts_with('0');
        if count == 0 || count > SAFE_DIGITS || is_padded {
            return None;
        }
        self.at += count;
        rest.get(..count)
    }

    /// A whole number.
    #[inline]
    fn whole(&mut self) -> Option<u64> {
        Some(value_of(self.digits()?))
    }

    /// What an id is written as.
    #[inline]
    fn string_or_digits(&mut self) -> Option<&'a str> {
        match self.peek()? {
            b'"' => self.string(),
            _ => self.digits(),
        }
    }

    #[inline]
    fn time(&mut self) -> Option<EventTime> {
        match self.peek()? {
            b'"' => EventTime::parse(self.string()?).ok(),
            _ => EventTime::from_epoch_ms(i64::try_from(self.whole()?).ok()?).ok(),
        }
    }

    /// An amount with so few digits that the division of two exact numbers is rounded as reading
    /// its decimals would be.
    #[inline]
    fn amount(&mut self) -> Option<Amount> {
        let units = self.digits()?;
        if self.peek()? != b'.' {
            return Amount::from_units(value_of(units) as f64).ok();
        }
        self.at += 1;
        let rest = self.text.get(self.at..)?;
        let count = rest.bytes().take_while(u8::is_ascii_digit).count();
        if count == 0 || count > DECIMALS_MAX || units.len() + count > EXACT_DIGITS {
            return None;
        }
        self.at += count;
        let scale = 10u64.pow(count as u32);
        let all = value_of(units) * scale + value_of(rest.get(..count)?);
        Amount::from_units(all as f64 / scale as f64).ok()
    }

    /// Passes over a string or a plain number.
    #[inline]
    fn pass(&mut self) -> Option<()> {
        if self.peek()? == b'"' {
            return self.string().map(drop);
        }
        self.digits()?;
        if self.peek()? == b'.' {
            self.at += 1;
            let rest = self.text.get(self.at..)?;
            let count = rest.bytes().take_while(u8::is_ascii_digit).count();
            self.at += count;
            return (count > 0).then_some(());
        }
        Some(())
    }
}

/// The number that at most [`SAFE_DIGITS`] digits are.
#[inline]
fn value_of(digits: &str) -> u64 {
    let digit = |value: u64, byte: u8| value * 10 + u64::from(byte - b'0');
    digits.bytes().fold(0, digit)
}

/// Where the first quote is. Eight bytes at a time: in which of them a zero is after the quotes
/// were taken out is told by what borrows.
#[inline]
fn quote(bytes: &[u8]) -> Option<usize> {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = ONES << 7;
    const QUOTES: u64 = ONES * b'"' as u64;
    let (words, rest) = bytes.as_chunks::<8>();
    for (place, word) in words.iter().enumerate() {
        let without = u64::from_le_bytes(*word) ^ QUOTES;
        let zeros = without.wrapping_sub(ONES) & !without & HIGHS;
        if zeros != 0 {
            return Some(place * 8 + zeros.trailing_zeros() as usize / 8);
        }
    }
    let place = rest.iter().position(|byte| *byte == b'"')?;
    Some(words.len() * 8 + place)
}
