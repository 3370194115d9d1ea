//! The group: who is told what and when, whose positions are accepted.

use super::*;

const ASSIGNED: fn(Vec<TaskId>) -> Assignment = Assignment::Assigned;
const REVOKED: fn(Vec<TaskId>) -> Assignment = Assignment::Revoked;

fn is_assign(of: TaskId, to: u32) -> impl Fn(&BrokerStep) -> bool {
    move |step| matches!(step, BrokerStep::Assign { task, slot, .. } if (*task, *slot) == (of, to))
}

fn is_again(step: &BrokerStep) -> bool {
    matches!(step, BrokerStep::AssignAgain { .. })
}

fn is_revoke(of: TaskId) -> impl Fn(&BrokerStep) -> bool {
    move |step| matches!(step, BrokerStep::Revoke { task, .. } if *task == of)
}

fn is_learn(step: &BrokerStep) -> bool {
    matches!(step, BrokerStep::Learn { .. })
}

#[test]
fn a_task_changes_hands_only_when_it_was_released() {
    block_on(async {
        let broker = Broker::new();
        broker.create_group(vec![task(0), task(1)]);
        let (mut one, _) = joined(&broker, 1).await;
        take(&broker, is_assign(task(0), 1));
        take(&broker, is_assign(task(1), 1));
        assert_eq!(
            one.poll().await.unwrap(),
            [ASSIGNED(vec![task(0), task(1)])]
        );

        let (mut two, _) = joined(&broker, 2).await;
        take(&broker, is_revoke(task(0)));
        assert_eq!(broker.owner(task(0)), Some(1), "not before it is released");
        one.release(&[task(0)]).await.unwrap();
        assert_eq!(broker.owner(task(0)), None);
        take(&broker, is_assign(task(0), 2));
        assert_eq!(one.poll().await.unwrap(), [REVOKED(vec![task(0)])]);
        assert_eq!(two.poll().await.unwrap(), [ASSIGNED(vec![task(0)])]);
        // Nobody hands back what it was not asked for, or what is not its own.
        one.release(&[task(0), task(1)]).await.unwrap();
        let owners = [task(0), task(1)].map(|one| broker.owner(one));
        assert_eq!(owners, [Some(2), Some(1)]);
    });
}

#[test]
fn events_come_in_order_and_a_task_may_be_assigned_twice() {
    block_on(async {
        let broker = Broker::new();
        broker.create_group(vec![task(0)]);
        let (mut seat, _) = joined(&broker, 1).await;
        take(&broker, is_assign(task(0), 1));
        take(&broker, is_again);
        take(&broker, is_revoke(task(0)));
        let one = || vec![task(0)];
        let want = [ASSIGNED(one()), ASSIGNED(one()), REVOKED(one())];
        assert_eq!(seat.poll().await.unwrap(), want);
        assert_eq!(seat.poll().await.unwrap(), []);
    });
}

/// Whoever was thrown out loses what it was not told yet, hears of it once, and joins anew.
#[test]
fn a_session_that_expires_is_a_loss_at_the_next_poll() {
    block_on(async {
        let broker = Broker::new();
        broker.create_group(vec![task(0)]);
        let (mut seat, first) = joined(&broker, 1).await;
        take(&broker, is_assign(task(0), 1));
        take(&broker, is_expire_of(1));
        assert_eq!(broker.owner(task(0)), None);
        assert_eq!(seat.membership(), Some(first.clone()), "not told yet");
        take(&broker, is_learn);
        assert_eq!(seat.membership(), None, "learnt before the poll");
        assert_eq!(seat.poll().await.unwrap(), [Assignment::Lost]);
        let nobody = |step: &BrokerStep| matches!(step, BrokerStep::Assign { .. });
        assert!(!broker.enabled_steps().iter().any(nobody), "no member yet");
        assert_eq!(seat.poll().await.unwrap(), []);
        let second = seat.membership().unwrap();
        assert_ne!(second.member, first.member);
        assert!(second.generation > first.generation);
        broker.settle();
        assert_eq!(seat.poll().await.unwrap(), [ASSIGNED(vec![task(0)])]);
    });
}

/// The dead stay members until their session expires; nothing is assigned to them meanwhile.
#[test]
fn the_dead_keep_their_tasks_until_their_session_expires() {
    block_on(async {
        let broker = Broker::new();
        broker.create_group(vec![task(0), task(1)]);
        let (dead, _) = joined(&broker, 1).await;
        take(&broker, is_assign(task(0), 1));
        drop(dead);
        let (_again, _) = joined(&broker, 1).await;
        let steps = broker.enabled_steps();
        let assigns = steps.iter().filter(|step| is_assign(task(1), 1)(step));
        assert_eq!(assigns.count(), 1, "only to the living: {steps:?}");
        assert_eq!(broker.owner(task(0)), Some(1));
        let expiry = |step: &BrokerStep| is_expire_of(1)(step) && !step.is_fault();
        take(&broker, expiry);
        assert_eq!(broker.owner(task(0)), None);
        broker.settle();
        let owners = [task(0), task(1)].map(|one| broker.owner(one));
        assert_eq!(owners, [Some(1), Some(1)]);
    });
}

/// Generation and member are asked, who owns the task is not.
#[test]
fn positions_are_accepted_from_the_generation_of_now_whoever_owns_the_task() {
    type Do = fn(&Broker);
    type Sends = fn(&Membership, Option<Membership>) -> Membership;
    let captured: Sends = |captured, _| captured.clone();
    let fresh: Sends = |_, now| now.unwrap_or_else(unknown_member);
    let unknown: Sends = |_, _| unknown_member();
    let nothing: Do = |_| {};
    let revoke: Do = |broker| take(broker, is_revoke(task(0)));
    let revoke_and_learn: Do = |broker| {
        take(broker, is_revoke(task(0)));
        take(broker, is_learn);
    };
    let throw_out: Do = |broker| take(broker, is_expire_of(1));
    let throw_out_and_learn: Do = |broker| {
        take(broker, is_expire_of(1));
        take(broker, is_learn);
    };
    let accept_unknown: Do = |broker| broker.set_accepts_unknown_member(true);
    let accept_and_throw_out: Do = |broker| {
        broker.set_accepts_unknown_member(true);
        take(broker, is_expire_of(1));
    };
    #[rustfmt::skip]
    let cases: &[(&str, Do, Sends, bool)] = &[
        ("captured, nothing happened",      nothing,              captured, true),
        ("captured, revoked",               revoke,               captured, false),
        ("fresh, revoked, not learnt",      revoke,               fresh,    false),
        // The pitfall: that of a task it is about to lose.
        ("fresh, revoked and learnt",       revoke_and_learn,     fresh,    true),
        ("captured, thrown out",            throw_out,            captured, false),
        ("fresh, thrown out and learnt",    throw_out_and_learn,  fresh,    false),
        ("unknown",                         nothing,              unknown,  false),
        // The wrong variant.
        ("unknown, accepted",               accept_unknown,       unknown,  true),
        ("captured, thrown out, accepting", accept_and_throw_out, captured, false),
        ("unknown, thrown out, accepting",  accept_and_throw_out, unknown,  true),
    ];
    for &(name, happens, sends, is_accepted) in cases {
        block_on(async {
            let broker = Broker::new();
            broker.create_group(vec![task(0)]);
            let (mut seat, _) = joined(&broker, 1).await;
            take(&broker, is_assign(task(0), 1));
            seat.poll().await.unwrap();
            let captured = seat.membership().unwrap();
            happens(&broker);
            let as_member = sends(&captured, seat.membership());
            let sent = seat.send_positions(consumed(3), &as_member).await;
            assert_eq!(sent.is_ok(), is_accepted, "{name}: {sent:?}");
            assert_eq!(is_fenced(&sent), !is_accepted, "{name}: {sent:?}");
        });
    }
}

/// Every change of the assignment is a new generation.
#[test]
fn every_change_is_a_new_generation() {
    block_on(async {
        let broker = Broker::new();
        broker.create_group(vec![task(0)]);
        let mut generations = vec![broker.generation()];
        let (mut seat, _) = joined(&broker, 1).await;
        generations.push(broker.generation());
        let steps: [&dyn Fn(&BrokerStep) -> bool; 4] = [
            &is_assign(task(0), 1),
            &is_again,
            &is_revoke(task(0)),
            &is_expire_of(1),
        ];
        for step in steps {
            take(&broker, step);
            generations.push(broker.generation());
        }
        assert_eq!(generations, [0, 1, 2, 3, 4, 5]);
        seat.poll().await.unwrap();
        seat.poll().await.unwrap();
        assert_eq!(broker.generation(), 6);
    });
}

#[test]
fn settling_shares_tasks_out_evenly_and_a_stale_step_is_not_taken() {
    block_on(async {
        let broker = Broker::new();
        broker.create_group((0..6).map(task).collect());
        let (_one, _) = joined(&broker, 1).await;
        let (_two, _) = joined(&broker, 2).await;
        let stale = broker.enabled_steps()[0];
        assert!(broker.settle() > 0);
        let owners = (0..6).filter(|&p| broker.owner(task(p)) == Some(1));
        assert_eq!(owners.count(), 3, "{}", broker.dump());
        assert!(!broker.take(stale), "{stale:?}");
        assert_eq!(broker.settle(), 0);
    });
}
