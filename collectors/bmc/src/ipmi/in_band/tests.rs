//! What the kernel's device may give: answers, late ones, events, nothing, any bytes; and files that are no such device.
#![allow(clippy::unwrap_used, clippy::panic)]

use facts::NoData;
use proptest::prelude::*;

use super::ioctl::MAX_MESSAGE;
use super::*;
use crate::ipmi::Ipmi;
use crate::ipmi::command::GET_DEVICE_ID;
use crate::ipmi::observe;

fn taken(id: c_long, data: &[u8]) -> Taken {
    Taken {
        kind: RESPONSE,
        id,
        netfn: 0x07,
        code: 0x01,
        data: data.to_vec(),
    }
}

#[test]
fn an_answer_counts_under_its_number_only() {
    let request = Request::new(GET_DEVICE_ID, []);
    let answer = judge(&taken(7, &[0, 0x20, 1]), 7, &request).unwrap();
    assert_eq!((answer.completion, answer.data.as_slice()), (0, &[0x20, 1][..]));
    assert_eq!(judge(&taken(6, &[0, 0x20]), 7, &request), Err(Useless::Late));
    assert_eq!(judge(&taken(c_long::MAX, &[0]), 7, &request), Err(Useless::Late));
    for wrong in [
        Taken {
            kind: 2,
            ..taken(7, &[0])
        },
        Taken {
            netfn: 0x06,
            ..taken(7, &[0])
        },
        Taken {
            code: 0x02,
            ..taken(7, &[0])
        },
        taken(7, &[]),
    ] {
        assert!(
            matches!(judge(&wrong, 7, &request), Err(Useless::Stray(_))),
            "{wrong:?}"
        );
    }
}

#[tokio::test]
async fn what_is_no_ipmi_device_is_named_with_its_reason() {
    let ipmi = Ipmi::in_band(InBand::new("/dev/ipmi-that-is-not-there"));
    let error = observe::device(&ipmi).await.unwrap_err();
    assert_eq!(error.no_data(), NoData::Absent, "{}", error.whole());
    assert!(error.whole().contains("/dev/ipmi-that-is-not-there"), "{error}");
    let file = tempfile::NamedTempFile::new().unwrap();
    let ipmi = Ipmi::in_band(InBand::new(file.path()));
    let error = observe::device(&ipmi).await.unwrap_err();
    assert_eq!(error.no_data(), NoData::Unsupported, "{}", error.whole());
    let ipmi = Ipmi::in_band(InBand::new("/dev/null"));
    let error = observe::device(&ipmi).await.unwrap_err().whole();
    assert!(
        error.contains("/dev/null") && error.contains("IPMICTL_SET_TIMING_PARMS_CMD"),
        "{error}"
    );
}

proptest! {
    #[test]
    fn any_message_is_the_answer_or_of_no_use(
        kind in -1..6_i32,
        id in prop_oneof![Just(7), any::<c_long>()],
        netfn in prop_oneof![Just(7_u8), any::<u8>()],
        code in prop_oneof![Just(1_u8), any::<u8>()],
        data in proptest::collection::vec(any::<u8>(), 0..MAX_MESSAGE),
    ) {
        let taken = Taken { kind, id, netfn, code, data: data.clone() };
        if let Ok(answer) = judge(&taken, 7, &Request::new(GET_DEVICE_ID, [])) {
            prop_assert_eq!((kind, id, netfn, code), (RESPONSE, 7, 7, 1));
            prop_assert_eq!(answer.data.len() + 1, data.len());
        }
    }
}
