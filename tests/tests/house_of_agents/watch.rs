//! Watches the files that limit the nodes' packages, and keeps every change in its order.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, ensure};
use house_tests::raise::CappedNode;

/// Longer than a look at all files, shorter than anything between two orders.
const LOOK: Duration = Duration::from_millis(2);

type Limits = Vec<u64>;

/// A thread that looks all the time.
pub struct Watch {
    seen: Arc<Mutex<Vec<Limits>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    pub fn start(nodes: &[CappedNode]) -> Watch {
        let seen = Arc::new(Mutex::new(Vec::<Limits>::new()));
        let stop = Arc::new(AtomicBool::new(false));
        let rest: Vec<u64> = nodes.iter().map(|node| node.shape.rest_watts).collect();
        let files: Vec<PathBuf> = nodes.iter().map(CappedNode::first_limit).collect();
        let (into, stopped) = (Arc::clone(&seen), Arc::clone(&stop));
        let thread = std::thread::spawn(move || {
            let mut last = Limits::new();
            while !stopped.load(Ordering::Relaxed) {
                let read = files.iter().zip(&rest);
                let read: Option<Limits> = read.map(|(file, rest)| Some(one(file)? + rest)).collect();
                // A file that is being written is looked at again.
                if let Some(read) = read.filter(|read| *read != last) {
                    last.clone_from(&read);
                    into.lock().unwrap().push(read);
                }
                std::thread::sleep(LOOK);
            }
        });
        Watch {
            seen,
            stop,
            thread: Some(thread),
        }
    }

    /// What was seen before does not count any more; where all stand now does.
    pub fn begin(&self) {
        // The thread may be a look behind whoever calls.
        std::thread::sleep(LOOK * 50);
        let mut seen = self.seen.lock().unwrap();
        let last = seen.pop();
        seen.clear();
        seen.extend(last);
    }

    fn seen(&self) -> Vec<Limits> {
        self.seen.lock().unwrap().clone()
    }

    /// No node was raised since the beginning.
    pub fn only_falls(&self) -> anyhow::Result<()> {
        let seen = self.seen();
        ensure!(!seen.is_empty(), "nothing was seen");
        for pair in seen.windows(2) {
            let rose = pair[0]
                .iter()
                .zip(&pair[1])
                .position(|(before, after)| after > before);
            ensure!(rose.is_none(), "node {rose:?} rose in {pair:?}; all: {seen:?}");
        }
        Ok(())
    }

    /// No node was lowered or raised since the beginning.
    pub fn nothing_moved(&self) -> anyhow::Result<()> {
        let seen = self.seen();
        ensure!(seen.len() == 1, "limits changed: {seen:?}");
        Ok(())
    }

    /// This node was never lower than this since the beginning.
    pub fn never_below(&self, node: usize, watts: u64) -> anyhow::Result<()> {
        let seen = self.seen();
        let low = seen.iter().find(|limits| limits[node] < watts);
        ensure!(
            low.is_none(),
            "node {node} fell below {watts} W: {low:?} of {seen:?}"
        );
        Ok(())
    }

    /// Whenever a node was raised, all together, with both its old and its new cap counted, and so many watts of fixed load, were at most
    /// this.
    pub fn nothing_rose_above(&self, fixed: u64, watts: u64) -> anyhow::Result<()> {
        let seen = self.seen();
        for pair in seen.windows(2) {
            let either = pair[0].iter().zip(&pair[1]);
            if either.clone().any(|(before, after)| after > before) {
                let sum: u64 = either.map(|(before, after)| before.max(after)).sum();
                ensure!(
                    sum + fixed <= watts,
                    "{sum} W and {fixed} W are more than {watts} W in {pair:?}"
                );
            }
        }
        Ok(())
    }

    /// A node fell to one limit and rose to another one after that.
    pub fn fell_and_rose(&self, node: usize, low: u64, high: u64) -> anyhow::Result<()> {
        let seen: Vec<u64> = self.seen().iter().map(|limits| limits[node]).collect();
        let fell = seen.iter().position(|limit| *limit == low);
        let fell = fell.with_context(|| format!("it never fell to {low} W: {seen:?}"))?;
        ensure!(
            seen[fell..].contains(&high),
            "it did not rise to {high} W: {seen:?}"
        );
        Ok(())
    }
}

/// A limit in watts.
fn one(file: &PathBuf) -> Option<u64> {
    let text = std::fs::read_to_string(file).ok()?;
    let (number, _) = text.split_once('\n')?;
    Some(number.parse::<u64>().ok()? / 1_000_000)
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
