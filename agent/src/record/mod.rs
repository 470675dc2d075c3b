//! `busbar-agent record`: a picture of this machine that others may have: what the collectors read, without what names it.

mod gather;
mod picture;
mod secret;

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use collectors::{Root, RootError, drive_health, local_bmc, machine};
use facts::archive::Archive;
use facts::mask::Mask;
use facts::{Bytes, NoData};

use gather::Gathered;

/// The folder in which everything stands.
const TOP: &str = "busbar-record";
/// The list inside: what was left out and why.
const LIST: &str = "busbar-record.txt";
/// Folders of so many names are summed up in the list that is shown.
const SUMMED: usize = 3;
/// How many of what was left out are shown.
const MOST_SHOWN: usize = 8;

/// What `record` is asked.
#[derive(Clone, Debug, clap::Args)]
pub struct RecordArgs {
    /// Where the picture goes; it must not be there yet
    #[arg(long, value_name = "FILE.tar", default_value = "busbar-record.tar")]
    pub output: PathBuf,
    /// Keep serial numbers, UUIDs, addresses and names as they are
    #[arg(long)]
    pub keep_serials: bool,
    /// Take a picture of a recorded machine: the directory that holds its sys/ and proc/
    #[arg(long, value_name = "DIR")]
    pub root: Option<PathBuf>,
    /// Show every path, not sums of folders
    #[arg(long)]
    pub list: bool,
    /// Write without asking
    #[arg(long, short)]
    pub yes: bool,
}

/// Why there is no picture.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// `--root` names no recorded machine.
    #[error(transparent)]
    Root(#[from] RootError),
    /// The file cannot be written.
    #[error("cannot write the picture to {file}")]
    Write {
        /// The file.
        file: PathBuf,
        /// What the kernel said.
        #[source]
        cause: io::Error,
    },
    /// The terminal says nothing.
    #[error("cannot ask whether to write; --yes writes without asking")]
    Ask(#[source] io::Error),
}

/// A picture of five files, a line each, without what names the machine, for the fuzzer.
#[cfg(any(test, feature = "fuzz"))]
pub(crate) fn fuzz(data: &[u8]) {
    const FILES: [&str; 5] = [
        "proc/sysinfo",
        "sys/class/dmi/id/product_serial",
        "sys/block/sda/wwid",
        "proc/sys/kernel/hostname",
        "sys/class/net/eth0/address",
    ];
    let mut pieces = data.split(|byte| *byte == b'\0');
    let mut got = Gathered::default();
    for file in FILES {
        let text = pieces.next().unwrap_or_default();
        got.files.insert(file.to_owned(), text.to_vec());
    }
    let mask = Mask::of(secret::secrets(&got));
    let (clean, _) = secret::masked(&got, &mask);
    assert_eq!(clean.files.len(), FILES.len(), "a file is lost");
}

/// Takes the picture, shows what is in it, and writes it.
///
/// # Errors
/// When the machine cannot be read or the picture cannot be written.
pub fn run(args: &RecordArgs) -> Result<ExitCode, RecordError> {
    let root = match &args.root {
        None => Root::host(),
        Some(directory) => Root::at(directory)?,
    };
    let mut got = gather::gather(&root, picture::PICTURE);
    add_parts(&mut got, &root);
    let (mut clean, mask, changed) = if args.keep_serials {
        (got, Mask::default(), BTreeMap::new())
    } else {
        let mask = Mask::of(secret::secrets(&got));
        let (clean, changed) = secret::masked(&got, &mask);
        (clean, mask, changed)
    };
    add_bmc(&mut clean, &root, args.keep_serials);
    let shown = contents(&clean, &mask, &changed, args);
    // The list is for the person who decides; where nobody reads, nobody minds.
    let _ = io::stdout().write_all(shown.as_bytes());
    if !args.yes && io::stdout().is_terminal() && !agreed(&args.output).map_err(RecordError::Ask)? {
        println!("nothing was written");
        return Ok(ExitCode::SUCCESS);
    }
    let failed = |cause| RecordError::Write {
        file: args.output.clone(),
        cause,
    };
    write(&args.output, &clean).map_err(failed)?;
    println!("written: {}", args.output.display());
    Ok(ExitCode::SUCCESS)
}

/// What drives say of themselves, and firmware of memory modules; it names them, and is masked with everything else.
fn add_parts(got: &mut Gathered, root: &Root) {
    // Without a block layer there are no drives.
    let taken = drive_health::recording::record(root).unwrap_or_default();
    let modules = machine::recording::record(root);
    for (path, bytes) in taken.pages.into_iter().chain(modules) {
        got.bytes += bytes.len();
        got.files.insert(path, bytes);
    }
    got.left_out.extend(taken.left_out);
}

/// What the node's BMC says. It masks itself: its bytes stand in hexadecimal digits, in which nobody finds a serial number.
fn add_bmc(clean: &mut Gathered, root: &Root, keep_serials: bool) {
    let said = match local_bmc::record(root) {
        Ok(said) if keep_serials => said,
        Ok(said) => said.masked(),
        Err(error) => {
            if error.reason != NoData::Absent {
                clean
                    .left_out
                    .push((local_bmc::RECORDED.to_owned(), error.explain()));
            }
            return;
        }
    };
    for (path, text) in said.files() {
        clean.bytes += text.len();
        clean.files.insert(path, text.into_bytes());
    }
}

fn agreed(file: &Path) -> io::Result<bool> {
    print!("Write {}? [y/N] ", file.display());
    io::stdout().flush()?;
    let mut line = String::new();
    io::stdin().read_line(&mut line)?;
    Ok(matches!(line.trim(), "y" | "Y" | "yes"))
}

/// What is in the picture, for the person who decides whether it leaves.
fn contents(clean: &Gathered, mask: &Mask, changed: &BTreeMap<String, usize>, args: &RecordArgs) -> String {
    let size = |bytes: usize| Bytes::new(u64::try_from(bytes).unwrap_or(u64::MAX));
    let mut sums: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    for (path, bytes) in &clean.files {
        let folder: Vec<&str> = path.split('/').take(SUMMED).collect();
        let key = if args.list { path.clone() } else { folder.join("/") };
        let sum = sums.entry(key).or_default();
        sum.0 += 1;
        sum.1 += bytes.len();
    }
    let mut text = String::new();
    for (path, (files, bytes)) in &sums {
        let mark = if args.list && changed.contains_key(path) {
            "  masked"
        } else {
            ""
        };
        text.push_str(&format!(
            "{files:>7}  {:>10}  {path}{mark}\n",
            size(*bytes).to_string()
        ));
    }
    text.push_str(&format!(
        "{:>7}  {:>10}  in all, {} links\n",
        clean.files.len(),
        size(clean.bytes).to_string(),
        clean.links.len()
    ));
    if args.keep_serials {
        text.push_str("nothing is replaced: serial numbers, UUIDs, addresses and names are in it\n");
    } else {
        text.push_str(&format!("replaced: {} in {} files\n", kinds(mask), changed.len()));
    }
    for (path, why) in clean.left_out.iter().take(MOST_SHOWN) {
        text.push_str(&format!("left out: {path}: {why}\n"));
    }
    let more = clean.left_out.len().saturating_sub(MOST_SHOWN);
    if more > 0 {
        text.push_str(&format!("left out: {more} more, named in {LIST} inside\n"));
    }
    text.push_str(picture::LEFT_OUT);
    text.push('\n');
    text
}

/// `2 SERIAL, 1 name`: how many secrets of each kind have a word; never the secrets.
fn kinds(mask: &Mask) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for (_, word) in mask.words() {
        let kind = match word.split('-').nth(1) {
            Some("SERIAL") => "serial numbers",
            Some("WWN") => "world-wide names",
            Some("NAME") => "host names",
            Some("TAG") => "tags",
            Some("0000") => "UUIDs",
            _ => "addresses",
        };
        *counts.entry(kind).or_default() += 1;
    }
    let words: Vec<String> = counts
        .iter()
        .map(|(kind, number)| format!("{number} {kind}"))
        .collect();
    if words.is_empty() {
        "nothing, because nothing names this machine".to_owned()
    } else {
        words.join(", ")
    }
}

fn write(file: &Path, clean: &Gathered) -> io::Result<()> {
    let opened = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(file)?;
    let mut archive = Archive::new(BufWriter::new(opened));
    let inside = |path: &str| format!("{TOP}/{path}");
    archive.folder(TOP)?;
    for folder in folders(clean) {
        archive.folder(&inside(&folder))?;
    }
    for (path, bytes) in &clean.files {
        archive.file(&inside(path), bytes)?;
    }
    for (path, target) in &clean.links {
        archive.link(&inside(path), target)?;
    }
    let mut list = format!("{}\n", picture::LEFT_OUT);
    for (path, why) in &clean.left_out {
        list.push_str(&format!("left out: {path}: {why}\n"));
    }
    archive.file(&inside(LIST), list.as_bytes())?;
    archive.end()?;
    Ok(())
}

/// Every folder, those around others first.
fn folders(clean: &Gathered) -> Vec<String> {
    let paths = clean.files.keys().chain(clean.links.keys());
    let mut all = clean.folders.clone();
    let around = paths.chain(&clean.folders).flat_map(|path| {
        path.match_indices('/')
            .filter_map(|(at, _)| path.get(..at).map(str::to_owned))
            .collect::<Vec<_>>()
    });
    all.extend(around.collect::<Vec<_>>());
    all.into_iter().collect()
}
