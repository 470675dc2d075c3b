//! Whatever is packed unpacks to itself.
#![allow(clippy::unwrap_used)]

use std::io::Read;

use flate2::read::GzDecoder;
use proptest::prelude::*;

use super::*;

fn unpacked(packed: &[u8]) -> Vec<u8> {
    let mut page = Vec::new();
    GzDecoder::new(packed).read_to_end(&mut page).unwrap();
    page
}

struct Packer {
    words: Vec<u8>,
    template: Template,
}

fn packed(packer: &mut Packer, page: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    packer.template.pack(&packer.words, page, &mut bytes);
    bytes
}

fn pieces(lines: usize) -> Vec<String> {
    let lines = (0..lines).map(|line| {
        let (cpu, mode) = (
            line / 8,
            [
                "user", "system", "idle", "iowait", "irq", "softirq", "steal", "nice",
            ][line % 8],
        );
        format!("node_cpu_seconds_total{{cpu=\"{cpu}\",mode=\"{mode}\"}} ")
    });
    let head = "# HELP node_cpu_seconds_total Seconds the CPUs spent in each mode.\n# TYPE node_cpu_seconds_total counter\n";
    std::iter::once(head.to_owned()).chain(lines).collect()
}

fn of(pieces: &[String]) -> Packer {
    let words = pieces.concat().into_bytes();
    let mut end = 0;
    let ranges = pieces.iter().map(|piece| {
        end += piece.len();
        end - piece.len()..end
    });
    let template = Template::of(&words, ranges);
    Packer { words, template }
}

#[test]
fn a_page_with_any_numbers_unpacks_to_itself_and_is_small() {
    let pieces = pieces(2_000);
    let mut template = of(&pieces);
    for factor in [0.0, 1.5, 1e9, 1.0 / 3.0] {
        let mut page = pieces[0].clone();
        for (at, piece) in pieces.iter().enumerate().skip(1) {
            let number = f64::from(u32::try_from(at).unwrap()) * factor;
            page.push_str(&format!("{piece}{number}\n"));
        }
        let small = packed(&mut template, page.as_bytes());
        assert_eq!(unpacked(&small), page.as_bytes());
        assert!(small.len() * 4 < page.len(), "{} of {}", small.len(), page.len());
    }
}

#[test]
fn a_page_that_lacks_pieces_or_is_another_one_unpacks_too() {
    let pieces = pieces(40);
    let mut template = of(&pieces);
    let half: String = pieces
        .iter()
        .step_by(3)
        .map(|piece| format!("{piece}7\n"))
        .collect();
    for page in [
        "",
        "\n",
        "no page of ours",
        "node_cpu_seconds_total{cpu=\"0\",mode=\"us",
        &half,
    ] {
        assert_eq!(
            unpacked(&packed(&mut template, page.as_bytes())),
            page.as_bytes(),
            "{page}"
        );
    }
    let all_bytes: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    assert_eq!(unpacked(&packed(&mut template, &all_bytes)), all_bytes);
    assert_eq!(unpacked(&packed(&mut of(&[]), &all_bytes)), all_bytes);
}

#[test]
fn many_missing_pieces_in_a_row_cost_nothing_of_the_rest() {
    let pieces = pieces(20_000);
    let mut packer = of(&pieces);
    // Of twenty thousand lines only the head and the last thousand are there.
    let last: String = pieces
        .iter()
        .skip(19_001)
        .map(|piece| format!("{piece}7\n"))
        .collect();
    let page = format!("{}{last}", pieces[0]);
    let small = packed(&mut packer, page.as_bytes());
    assert_eq!(unpacked(&small), page.as_bytes());
    assert!(small.len() * 4 < page.len(), "{} of {}", small.len(), page.len());
}

#[test]
fn what_stands_too_far_back_is_written_again() {
    let pieces = pieces(16);
    let mut template = of(&pieces);
    let long = "1".repeat(40_000);
    let page: String = pieces.iter().map(|piece| format!("{piece}{long}\n")).collect();
    assert_eq!(unpacked(&packed(&mut template, page.as_bytes())), page.as_bytes());
}

#[test]
fn what_is_packed_is_appended() {
    let mut bytes = b"before".to_vec();
    Template::default().pack(&[], b"page", &mut bytes);
    assert_eq!(bytes.get(..6), Some(&b"before"[..]));
    assert_eq!(unpacked(bytes.get(6..).unwrap()), b"page");
}

proptest! {
    #[test]
    fn anything_unpacks_to_itself(
        pieces in proptest::collection::vec("[ab{}\"=, ]{0,24}|\\PC{0,9}", 0..30),
        shown in proptest::collection::vec(any::<bool>(), 30),
        numbers in proptest::collection::vec("[0-9.e+-]{0,30}|\\PC{0,5}", 30),
    ) {
        let mut template = of(&pieces);
        for turn in 0..2 {
            let page: String = pieces
                .iter()
                .zip(shown.iter().zip(&numbers))
                .filter(|(_, (shown, _))| **shown || turn == 1)
                .map(|(piece, (_, number))| format!("{piece}{number}\n"))
                .collect();
            prop_assert_eq!(unpacked(&packed(&mut template, page.as_bytes())), page.as_bytes());
        }
    }
}
