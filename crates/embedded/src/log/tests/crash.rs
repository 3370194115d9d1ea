//! The power goes at every single change of the disk: writes, syncs, names.

use super::model::{Dice, Model, Op};
use super::*;

fn script() -> Vec<Op> {
    let mut dice = Dice(11);
    let mut ops: Vec<Op> = (0..14).map(|number| dice.op(number)).collect();
    for (number, op) in ops.iter_mut().enumerate() {
        op.durable |= number % 5 == 0;
    }
    ops
}

fn options() -> LogOptions {
    LogOptions {
        segment_bytes: 1_500,
        ..small()
    }
}

/// Runs the script on a machine that stops after `changes`; answers whether it came to the end.
fn run(machine: &Machine, model: &mut Model, changes: u64) -> bool {
    machine.power.stop_after(changes);
    let Ok(log) = machine.try_open(options()) else {
        return false;
    };
    for op in script() {
        model.call(machine, &log, &op);
    }
    // Closing changes the disk too.
    let closed = log.close();
    drop(log);
    closed.is_ok() && !machine.power.is_stopped()
}

#[test]
fn power_cut_at_every_change() {
    for loss in [Loss::Prefix, Loss::Pages, Loss::Nothing] {
        for seed in 0..6 {
            for changes in 0.. {
                assert!(changes < 500, "the script never ends");
                let machine = Machine::new();
                let mut model = Model::new(format!("{loss:?}, seed {seed}, change {changes}"));
                let came_to_the_end = run(&machine, &mut model, changes);
                machine.power.power_cut(loss, seed);
                let log = machine.open(options());
                model.reopened(&machine, &log);
                assert_eq!(log.verify().map(|_| ()).ok(), Some(()), "{}", model.what);
                // It goes on, and what it says is durable is.
                let op = Dice(changes).op(100);
                model.call(
                    &machine,
                    &log,
                    &Op {
                        durable: true,
                        ..op
                    },
                );
                machine.crash(log, loss, seed);
                let log = machine.open(options());
                model.reopened(&machine, &log);
                if came_to_the_end {
                    break;
                }
            }
        }
    }
}

/// The power goes, and goes again at every change of the opening that follows.
#[test]
fn power_cut_while_opening() {
    for loss in [Loss::Prefix, Loss::Pages, Loss::Nothing] {
        for changes in 0..60 {
            for again in 0..14 {
                let machine = Machine::new();
                let mut model = Model::new(format!("{loss:?}, changes {changes}, then {again}"));
                run(&machine, &mut model, changes);
                machine.power.power_cut(loss, changes);
                machine.power.stop_after(again);
                let opened = machine.try_open(options());
                if let Ok(log) = &opened {
                    model.reopened(&machine, log);
                }
                machine.power.stop_after(0);
                drop(opened);
                machine.power.power_cut(loss, again);
                let log = machine.open(options());
                model.reopened(&machine, &log);
            }
        }
    }
}
