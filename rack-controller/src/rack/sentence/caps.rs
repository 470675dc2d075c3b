//! What happens to the caps that agents hold, in sentences.

use facts::Power;

use crate::rack::event::What;
use crate::rack::order::NodeOrder;
use crate::rack::state::Proof;

pub(super) fn ordered(what: &What) -> String {
    let What::CapsOrdered {
        orders,
        shed,
        given,
        taken,
        ..
    } = what
    else {
        return String::new();
    };
    message(orders, shed.len(), *given, *taken)
}

pub(super) fn proven(node: &str, proof: &Proof) -> String {
    format!(
        "{node} keeps its cap: it drew {} and, under {}, {}",
        proof.before, proof.cap, proof.under
    )
}

pub(super) fn message(orders: &[NodeOrder], shed: usize, given: Power, taken: Power) -> String {
    let mut parts = Vec::new();
    match orders {
        [] => {}
        [one] => parts.push(format!(
            "{} shall hold {}, and {} after the next loss",
            one.node,
            one.order.cap,
            one.order.level(1)
        )),
        many => {
            let cap: Power = many.iter().map(|order| order.order.cap).sum();
            let next: Power = many.iter().map(|order| order.order.level(1)).sum();
            parts.push(format!(
                "{} nodes shall hold {} together, and {} after the next loss",
                many.len(),
                cap.to_kilowatt_text(),
                next.to_kilowatt_text()
            ));
        }
    }
    if !given.is_zero() {
        parts.push(format!("{given} revocable given"));
    }
    if !taken.is_zero() {
        parts.push(format!("{taken} revocable taken back"));
    }
    if shed > 0 {
        parts.push(format!("{shed} firm claims cannot be served"));
    }
    if parts.is_empty() {
        parts.push("firm claims are served again".to_owned());
    }
    parts.join("; ")
}

pub(super) fn timed(node: &str, took_millis: u64) -> String {
    format!("{node} was the slowest within an hour: lowered and read back in {took_millis} ms")
}

pub(super) fn doubted(node: &str, reason: &str) -> String {
    format!("{node} counts as uncapped until a drill shows that its cap bites: {reason}")
}

pub(super) fn showed_nothing(node: &str, reason: &str) -> String {
    format!("the drill of {node} showed nothing: {reason}")
}
