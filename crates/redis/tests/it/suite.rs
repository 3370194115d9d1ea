//! The port's suite on one server and on a cluster.

mod on_one_server {
    use crate::subject::{ONE, subject};

    vitrina_ports::state_store_suite!(match subject(ONE) {
        Some(subject) => subject,
        None => return,
    });
}

mod on_a_cluster {
    use crate::subject::{CLUSTER, subject};

    vitrina_ports::state_store_suite!(match subject(CLUSTER) {
        Some(subject) => subject,
        None => return,
    });
}
