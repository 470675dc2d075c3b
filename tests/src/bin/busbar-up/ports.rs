//! Ports: the ones that people know by heart where they are free, and free ones, said, where they are not.

use std::net::TcpListener;

/// `port` where nobody listens on it on this machine's loopback; else 0, which lets the system choose.
pub fn wanted(port: u16, whose: &str) -> u16 {
    match TcpListener::bind(("127.0.0.1", port)) {
        Ok(_) => port,
        Err(error) => {
            println!("port {port} cannot be had ({error}): {whose} takes a free one");
            0
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_busy_port_is_replaced() {
        let busy = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = busy.local_addr().unwrap().port();
        assert_eq!(wanted(port, "the rack"), 0);
        drop(busy);
        assert_eq!(wanted(port, "the rack"), port);
    }
}
