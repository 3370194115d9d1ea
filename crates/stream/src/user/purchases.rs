//! What a visitor owns and has spent.

use super::bounds::{PURCHASED_BYTES_MAX, PURCHASED_MAX, SPENT_CURRENCIES_MAX};
use crate::options::UserOptions;
use vitrina_types::event::{Event, KindTag, Line};
use vitrina_types::id::ProductId;
use vitrina_types::money::{Amount, Currency};
use vitrina_types::state::{Purchased, UserState};
use vitrina_types::time::EventTime;

/// Counts the lines of a purchase or a return.
pub(super) fn add(state: &mut UserState, event: &Event, options: &UserOptions) {
    let (bought, returned) = (event.kind.is_purchase(), event.kind.is_return());
    if !bought && !returned {
        return;
    }
    let currency = event.currency.unwrap_or(options.currency);
    for line in event.kind.lines() {
        if let Some(amount) = moved(line, returned) {
            add_money(&mut state.spent, currency, amount, SPENT_CURRENCIES_MAX);
        }
        if returned {
            let back = |p: &Purchased| p.product == line.product && p.at <= event.event_time;
            state.purchased.retain(|p| !back(p));
        } else if !returned_since(state, event, line) {
            own(&mut state.purchased, &line.product, event.event_time);
        }
    }
    cut(&mut state.purchased);
}

/// Adds what another state bought and spent.
pub(super) fn merge(state: &mut UserState, other: &UserState) {
    for bought in &other.purchased {
        own(&mut state.purchased, &bought.product, bought.at);
    }
    cut(&mut state.purchased);
    for &(currency, amount) in &other.spent {
        add_money(&mut state.spent, currency, amount, SPENT_CURRENCIES_MAX);
    }
}

/// The money a line moves: negative when it came back, `None` without a price.
pub(super) fn moved(line: &Line, returned: bool) -> Option<Amount> {
    let amount = line.price?.times(line.quantity);
    Some(if returned { amount.negated() } else { amount })
}

/// Adds `amount` to the sum of its currency; a currency beyond `limit` is not counted.
pub(crate) fn add_money(
    sums: &mut Vec<(Currency, Amount)>,
    currency: Currency,
    amount: Amount,
    limit: usize,
) {
    if let Some(sum) = sums.iter_mut().find(|sum| sum.0 == currency) {
        sum.1 = sum.1.plus(amount);
    } else if sums.len() < limit {
        sums.push((currency, amount));
    }
}

/// Whether the product is known to have come back at or after this purchase, for a return that
/// arrived first.
fn returned_since(state: &UserState, purchase: &Event, line: &Line) -> bool {
    let Some(tag) = KindTag::of("return") else {
        return false;
    };
    let newer = state
        .history
        .iter()
        .rev()
        .take_while(|e| e.at >= purchase.event_time);
    newer
        .filter(|e| e.kind == tag)
        .any(|e| e.product == line.product)
}

fn own(purchased: &mut Vec<Purchased>, product: &ProductId, at: EventTime) {
    if let Some(known) = purchased.iter().position(|p| p.product == *product) {
        if purchased[known].at >= at {
            return;
        }
        purchased.remove(known);
    }
    let place = purchased.partition_point(|p| (p.at, &p.product) < (at, product));
    let product = product.clone();
    purchased.insert(place, Purchased { product, at });
}

fn cut(purchased: &mut Vec<Purchased>) {
    let (mut kept, mut total) = (0, 0);
    for bought in purchased.iter().rev() {
        total += bought.product.as_str().len() + 9;
        if kept == PURCHASED_MAX || total > PURCHASED_BYTES_MAX {
            break;
        }
        kept += 1;
    }
    purchased.drain(..purchased.len() - kept);
}
