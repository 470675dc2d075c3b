//! The handshake (RAKP): four messages that prove the password to both sides, and the keys that come of it.

use zeroize::Zeroizing;

use super::bytes::{Bytes, DecodeError};
use super::suite::{AES_BLOCK, Suite};
use super::wire::Keys;

/// Payload types of our messages in the handshake (IPMI 2.0 table 13-16); each answer's is one more.
pub(super) const OPEN_SESSION_REQUEST: u8 = 0x10;
pub(super) const RAKP_1: u8 = 0x12;
pub(super) const RAKP_3: u8 = 0x14;
/// The user is looked up by its name alone, not by name and privilege.
const NAME_ONLY_LOOKUP: u8 = 0x10;
/// What K1 and K2 are made of (IPMI 2.0 section 13.32).
const K1_CONSTANT: [u8; 20] = [1; 20];
const K2_CONSTANT: [u8; 20] = [2; 20];

/// Why a message of the handshake leads nowhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Failed {
    /// It answers something else: a late packet.
    Stray(DecodeError),
    /// The BMC says no.
    Status(u8),
    /// The BMC does not know the password or the key.
    Unproven,
}

impl From<DecodeError> for Failed {
    fn from(error: DecodeError) -> Failed {
        Failed::Stray(error)
    }
}

/// Who we are and what we want, and what the handshake has brought so far.
pub(super) struct Handshake {
    pub(super) suite: Suite,
    pub(super) privilege: u8,
    pub(super) username: Vec<u8>,
    pub(super) password: Zeroizing<Vec<u8>>,
    pub(super) kg: Option<Zeroizing<Vec<u8>>>,
    pub(super) console_session: u32,
    pub(super) console_random: [u8; 16],
    pub(super) bmc_session: u32,
    pub(super) bmc_random: [u8; 16],
    pub(super) guid: [u8; 16],
}

impl Handshake {
    pub(super) fn open_request(&self, tag: u8) -> Vec<u8> {
        let mut payload = vec![tag, self.privilege, 0, 0];
        payload.extend_from_slice(&self.console_session.to_le_bytes());
        for (kind, algorithm) in (0_u8..).zip(self.suite.algorithms()) {
            payload.extend_from_slice(&[kind, 0, 0, 8, algorithm, 0, 0, 0]);
        }
        payload
    }

    /// The BMC's session id. It must have chosen exactly what we offered.
    pub(super) fn read_open(&mut self, tag: u8, payload: &[u8]) -> Result<(), Failed> {
        let mut bytes = self.answer("an Open Session Response", tag, payload, 2)?;
        self.bmc_session = bytes.u32()?;
        let mut chosen = [0; 3];
        for algorithm in &mut chosen {
            bytes.skip(4)?;
            *algorithm = bytes.u8()? & 0x3F;
            bytes.skip(3)?;
        }
        if chosen != self.suite.algorithms() || self.bmc_session == 0 {
            let got = format!("algorithms {chosen:?} in session {:08x}h", self.bmc_session);
            return Err(
                DecodeError::wrong("an Open Session Response", got, "the suite that was offered").into(),
            );
        }
        Ok(())
    }

    pub(super) fn rakp_1(&self, tag: u8) -> Vec<u8> {
        let mut payload = vec![tag, 0, 0, 0];
        payload.extend_from_slice(&self.bmc_session.to_le_bytes());
        payload.extend_from_slice(&self.console_random);
        payload.extend_from_slice(&[self.role(), 0, 0, self.name_length()]);
        payload.extend_from_slice(&self.username);
        payload
    }

    /// The BMC's random number and name, and its proof that it knows the password.
    pub(super) fn read_rakp_2(&mut self, tag: u8, payload: &[u8]) -> Result<(), Failed> {
        let mut bytes = self.answer("RAKP message 2", tag, payload, 2)?;
        self.bmc_random = bytes.array()?;
        self.guid = bytes.array()?;
        let parts: [&[u8]; 7] = [
            &self.console_session.to_le_bytes(),
            &self.bmc_session.to_le_bytes(),
            &self.console_random,
            &self.bmc_random,
            &self.guid,
            &[self.role(), self.name_length()],
            &self.username,
        ];
        let length = self.suite.hash_length();
        if !self.suite.proves(&self.password, &parts, length, bytes.rest()) {
            return Err(Failed::Unproven);
        }
        Ok(())
    }

    pub(super) fn rakp_3(&self, tag: u8) -> Vec<u8> {
        let mut payload = vec![tag, 0, 0, 0];
        payload.extend_from_slice(&self.bmc_session.to_le_bytes());
        payload.extend_from_slice(&self.suite.hmac(
            &self.password,
            &[
                &self.bmc_random,
                &self.console_session.to_le_bytes(),
                &[self.role(), self.name_length()],
                &self.username,
            ],
        ));
        payload
    }

    /// The BMC's proof that it has the same session key; the keys of the session.
    pub(super) fn read_rakp_4(&self, tag: u8, payload: &[u8]) -> Result<Keys, Failed> {
        let mut bytes = self.answer("RAKP message 4", tag, payload, 2)?;
        let key = self.session_key();
        let parts: [&[u8]; 3] = [&self.console_random, &self.bmc_session.to_le_bytes(), &self.guid];
        if !self
            .suite
            .proves(&key, &parts, self.suite.check_length(), bytes.rest())
        {
            return Err(Failed::Unproven);
        }
        let second = Zeroizing::new(self.suite.hmac(&key, &[&K2_CONSTANT]));
        let mut confidentiality = [0; AES_BLOCK];
        for (to, from) in confidentiality.iter_mut().zip(second.iter()) {
            *to = *from;
        }
        Ok(Keys {
            suite: self.suite,
            integrity: self.suite.hmac(&key, &[&K1_CONSTANT]),
            confidentiality,
        })
    }

    /// SIK: made with Kg, or with the password where there is none.
    fn session_key(&self) -> Zeroizing<Vec<u8>> {
        let key = self.kg.as_ref().unwrap_or(&self.password);
        let role = [self.role(), self.name_length()];
        let parts: [&[u8]; 4] = [&self.console_random, &self.bmc_random, &role, &self.username];
        Zeroizing::new(self.suite.hmac(key, &parts))
    }

    fn role(&self) -> u8 {
        NAME_ONLY_LOOKUP | self.privilege
    }

    fn name_length(&self) -> u8 {
        u8::try_from(self.username.len()).unwrap_or(u8::MAX)
    }

    /// The head of every answer: tag, status, `reserved` bytes, our session id. A refusal may leave the id empty.
    fn answer<'a>(
        &self,
        what: &'static str,
        tag: u8,
        payload: &'a [u8],
        reserved: usize,
    ) -> Result<Bytes<'a>, Failed> {
        let mut bytes = Bytes::of(what, payload);
        let (answered, status) = (bytes.u8()?, bytes.u8()?);
        // A refusal may end here: OpenIPMI's simulator sends nothing after the status.
        if answered == tag && status != 0 && bytes.left() == 0 {
            return Err(Failed::Status(status));
        }
        bytes.skip(reserved)?;
        let session = bytes.u32()?;
        let ours = session == self.console_session || (status != 0 && session == 0);
        if answered != tag || !ours {
            let got = format!("to message {answered} of session {session:08x}h");
            return Err(DecodeError::wrong(what, got, format!("one to message {tag}")).into());
        }
        match status {
            0 => Ok(bytes),
            status => Err(Failed::Status(status)),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    const SUITES: [Suite; 2] = [Suite::Three, Suite::Seventeen];

    fn handshake(suite: Suite, kg: Option<&[u8]>) -> Handshake {
        Handshake {
            suite,
            privilege: 4,
            username: b"ADMIN".to_vec(),
            password: Zeroizing::new(b"admin-pw-16chars".to_vec()),
            kg: kg.map(|kg| Zeroizing::new(kg.to_vec())),
            console_session: 0xa1b2_c3d4,
            console_random: std::array::from_fn(|at| u8::try_from(at).unwrap()),
            bmc_session: 0x0102_0304,
            bmc_random: std::array::from_fn(|at| u8::try_from(at + 16).unwrap()),
            guid: std::array::from_fn(|at| [0xa1, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef][at % 8]),
        }
    }

    fn bytes(hex: &str) -> Vec<u8> {
        (0..hex.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
            .collect()
    }

    type Vector = (Suite, Option<&'static [u8]>, [&'static str; 5]);

    /// What another implementation (Python's hmac over the specification's fields) says: RAKP 2, RAKP 3, K1, K2, RAKP 4.
    const VECTORS: [Vector; 4] = [
        (
            Suite::Three,
            None,
            [
                "1d510ebcbf42e6f15fe7994340cadd915a5e452b",
                "1918837d788dfe25c7269d8cb3cd371d40c1d84e",
                "a62665afe6b0f6af2d33f00e575aabb9987f23bb",
                "817e75210d3b2f34a19137528d9f52bc",
                "b7efce032c398ed2f6492067",
            ],
        ),
        (
            Suite::Three,
            Some(b"kg-of-the-bmc"),
            [
                "1d510ebcbf42e6f15fe7994340cadd915a5e452b",
                "1918837d788dfe25c7269d8cb3cd371d40c1d84e",
                "21bc9d9b3a540e5697607e6f605b85bec3e90694",
                "ea044543ad1fb70aacca64db63e57e3a",
                "6bd1fa8d1961fb2f552758cc",
            ],
        ),
        (
            Suite::Seventeen,
            None,
            [
                "3e4feb80e057416627143647f6650f669ef1b7971d2e6de7f869925fff8026fc",
                "5776c29417c7e671de78b09176a630461b27a9fe22c4343d692a10d8031164c1",
                "c7b964f18c305c93e3c2495dd9c0e37b996b4b98da2f5593d916e57fd4825428",
                "df1c548d50c54191019b3c64b3ebfc51",
                "ead5fa51bd3fe14144b7239a663b34de",
            ],
        ),
        (
            Suite::Seventeen,
            Some(b"kg-of-the-bmc"),
            [
                "3e4feb80e057416627143647f6650f669ef1b7971d2e6de7f869925fff8026fc",
                "5776c29417c7e671de78b09176a630461b27a9fe22c4343d692a10d8031164c1",
                "5e4ca6ef189557fb4fe5b0de644486f43f61150694c49e98c32f89d62f5f94c9",
                "59928fb3a8f1518c6d0806098cbbd966",
                "890ab13e8c2da6023d8eb38b98fc47b3",
            ],
        ),
    ];

    fn rakp_2(from: &Handshake, tag: u8, proof: &str) -> Vec<u8> {
        let mut payload = vec![tag, 0, 0, 0];
        payload.extend_from_slice(&from.console_session.to_le_bytes());
        payload.extend_from_slice(&from.bmc_random);
        payload.extend_from_slice(&from.guid);
        payload.extend_from_slice(&bytes(proof));
        payload
    }

    fn rakp_4(from: &Handshake, tag: u8, proof: &str) -> Vec<u8> {
        let mut payload = vec![tag, 0, 0, 0];
        payload.extend_from_slice(&from.console_session.to_le_bytes());
        payload.extend_from_slice(&bytes(proof));
        payload
    }

    #[test]
    fn the_handshake_is_the_one_that_another_implementation_makes() {
        for (suite, kg, [second, third, k1, k2, fourth]) in VECTORS {
            let mut ours = handshake(suite, kg);
            let message = rakp_2(&ours, 7, second);
            ours.read_rakp_2(7, &message).unwrap();
            assert_eq!(ours.rakp_3(8).get(8..).unwrap(), bytes(third));
            let keys = ours.read_rakp_4(9, &rakp_4(&ours, 9, fourth)).unwrap();
            assert_eq!(keys.integrity, bytes(k1));
            assert_eq!(keys.confidentiality.as_slice(), bytes(k2));
        }
    }

    #[test]
    fn who_cannot_prove_the_password_is_not_believed() {
        for (suite, kg, [second, _, _, _, fourth]) in VECTORS {
            let mut ours = handshake(suite, kg);
            let (good, end) = (rakp_2(&ours, 7, second), rakp_4(&ours, 7, fourth));
            for cut in [1, suite.hash_length()] {
                let short = good.get(..good.len() - cut).unwrap();
                assert_eq!(ours.read_rakp_2(7, short), Err(Failed::Unproven));
            }
            let mut wrong = good.clone();
            *wrong.last_mut().unwrap() ^= 1;
            assert_eq!(ours.read_rakp_2(7, &wrong), Err(Failed::Unproven));
            assert!(matches!(ours.read_rakp_2(8, &good), Err(Failed::Stray(_))));
            ours.password = Zeroizing::new(b"another-password".to_vec());
            assert_eq!(ours.read_rakp_2(7, &good), Err(Failed::Unproven));
            if kg.is_none() {
                assert_eq!(ours.read_rakp_4(7, &end).err(), Some(Failed::Unproven));
            }
        }
    }

    #[test]
    fn the_bmc_must_choose_what_was_offered() {
        let mut ours = handshake(Suite::Seventeen, None);
        let request = ours.open_request(1);
        assert_eq!(request.len(), 32);
        let answer = |algorithms: [u8; 3]| {
            let mut payload = vec![1, 0, 4, 0];
            payload.extend_from_slice(&0xa1b2_c3d4_u32.to_le_bytes());
            payload.extend_from_slice(&77_u32.to_le_bytes());
            for (kind, algorithm) in (0_u8..).zip(algorithms) {
                payload.extend_from_slice(&[kind, 0, 0, 8, algorithm, 0, 0, 0]);
            }
            payload
        };
        ours.read_open(1, &answer([3, 4, 1])).unwrap();
        assert_eq!(ours.bmc_session, 77);
        for weaker in [[0, 0, 0], [3, 4, 0], [1, 1, 1]] {
            assert!(matches!(
                ours.read_open(1, &answer(weaker)),
                Err(Failed::Stray(_))
            ));
        }
        let refusal = [1, 0x11, 0, 0, 0xd4, 0xc3, 0xb2, 0xa1];
        assert_eq!(ours.read_open(1, &refusal), Err(Failed::Status(0x11)));
        assert_eq!(ours.read_open(1, &[1, 4]), Err(Failed::Status(4)));
    }

    proptest! {
        #[test]
        fn any_payload_is_an_answer_or_an_error(payload in proptest::collection::vec(any::<u8>(), 0..96)) {
            for suite in SUITES {
                let mut ours = handshake(suite, None);
                let tag = payload.first().copied().unwrap_or_default();
                let _ = ours.read_open(tag, &payload);
                prop_assert!(ours.read_rakp_2(tag, &payload).is_err());
                prop_assert!(ours.read_rakp_4(tag, &payload).is_err());
            }
        }
    }
}
