//! From a raw byte to a value: y = L[(M·x + B·10^K1) · 10^K2] (IPMI 2.0 section 36.3).

use facts::{NoData, Reading};

use crate::ipmi::bytes::{Bytes, DecodeError};

/// How the raw byte is meant (SDR byte "Sensor Units 1", bits 7:6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// 0 to 255.
    Unsigned,
    /// One's complement: both 00h and FFh are zero.
    OnesComplement,
    /// Two's complement.
    TwosComplement,
    /// The sensor has no analogue reading.
    None,
}

/// L: what is done after the linear part (SDR byte "Linearization").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Linearisation {
    /// y = x
    Linear,
    /// Natural logarithm.
    Ln,
    /// Logarithm to base 10.
    Log10,
    /// Logarithm to base 2.
    Log2,
    /// e to the power of x.
    Exp,
    /// 10 to the power of x.
    Exp10,
    /// 2 to the power of x.
    Exp2,
    /// 1/x
    Inverse,
    /// x squared.
    Square,
    /// x cubed.
    Cube,
    /// Square root.
    SquareRoot,
    /// Cube root.
    CubeRoot,
    /// The factors depend on the reading and are asked for with it (70h to 7Fh); the value itself is then linear.
    NonLinear,
    /// A number that the specification does not know.
    Unknown(u8),
}

impl From<u8> for Format {
    fn from(units: u8) -> Format {
        match units >> 6 {
            0 => Format::Unsigned,
            1 => Format::OnesComplement,
            2 => Format::TwosComplement,
            _ => Format::None,
        }
    }
}

impl From<u8> for Linearisation {
    fn from(byte: u8) -> Linearisation {
        match byte & 0x7F {
            0 => Linearisation::Linear,
            1 => Linearisation::Ln,
            2 => Linearisation::Log10,
            3 => Linearisation::Log2,
            4 => Linearisation::Exp,
            5 => Linearisation::Exp10,
            6 => Linearisation::Exp2,
            7 => Linearisation::Inverse,
            8 => Linearisation::Square,
            9 => Linearisation::Cube,
            10 => Linearisation::SquareRoot,
            11 => Linearisation::CubeRoot,
            0x70..=0x7F => Linearisation::NonLinear,
            other => Linearisation::Unknown(other),
        }
    }
}

/// M, B and the two exponents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Factors {
    /// M, ten bits with sign.
    pub m: i16,
    /// B, ten bits with sign.
    pub b: i16,
    /// K1, four bits with sign: the exponent of B.
    pub b_exponent: i8,
    /// K2, four bits with sign: the exponent of the result.
    pub r_exponent: i8,
}

impl Factors {
    /// From the six bytes that stand alike in a full sensor record and in Get Sensor Reading Factors.
    pub(super) fn read(bytes: &mut Bytes<'_>) -> Result<Factors, DecodeError> {
        let [m_low, m_high, b_low, b_high, _accuracy, exponents] = bytes.array()?;
        Ok(Factors {
            m: ten_bits(m_low, m_high),
            b: ten_bits(b_low, b_high),
            b_exponent: four_bits(exponents),
            r_exponent: four_bits(exponents >> 4),
        })
    }
}

/// Low byte, and the two highest bits of the other one, with sign.
fn ten_bits(low: u8, high: u8) -> i16 {
    let number = i16::from_le_bytes([low, high >> 6]);
    if number & 0x200 == 0 {
        number
    } else {
        number - 0x400
    }
}

fn four_bits(byte: u8) -> i8 {
    let number = i8::try_from(byte & 0x0F).unwrap_or_default();
    if number & 0x08 == 0 { number } else { number - 0x10 }
}

/// A sensor's whole formula.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Formula {
    /// How the raw byte is meant.
    pub format: Format,
    /// What is done after the linear part.
    pub linearisation: Linearisation,
    /// The linear part.
    pub factors: Factors,
}

impl Formula {
    /// The value of a raw byte. What has no finite value is garbled: 1/0, the logarithm of 0.
    pub fn value(&self, raw: u8) -> Reading<f64> {
        let x = match self.format {
            Format::Unsigned => f64::from(raw),
            Format::TwosComplement => f64::from(i8::from_le_bytes([raw])),
            Format::OnesComplement if raw & 0x80 == 0 => f64::from(raw),
            Format::OnesComplement => -f64::from(!raw),
            Format::None => return Reading::none(NoData::Unsupported),
        };
        let Factors {
            m,
            b,
            b_exponent,
            r_exponent,
        } = self.factors;
        let b = scaled(f64::from(b), b_exponent);
        let y = scaled(f64::from(m) * x + b, r_exponent);
        let value = match self.linearisation {
            Linearisation::Linear | Linearisation::NonLinear => y,
            Linearisation::Ln => y.ln(),
            Linearisation::Log10 => y.log10(),
            Linearisation::Log2 => y.log2(),
            Linearisation::Exp => y.exp(),
            Linearisation::Exp10 => 10_f64.powf(y),
            Linearisation::Exp2 => y.exp2(),
            Linearisation::Inverse => y.recip(),
            Linearisation::Square => y.powi(2),
            Linearisation::Cube => y.powi(3),
            Linearisation::SquareRoot => y.sqrt(),
            Linearisation::CubeRoot => y.cbrt(),
            Linearisation::Unknown(_) => return Reading::none(NoData::Unsupported),
        };
        match value.is_finite() {
            true => Reading::Value(value),
            false => Reading::none(NoData::Garbled),
        }
    }
}

/// Divides where the exponent is negative: 33 · 10^-1 is then 3.3 and not 3.3000000000000003.
fn scaled(value: f64, exponent: i8) -> f64 {
    let power = 10_f64.powi(i32::from(exponent.unsigned_abs()));
    if exponent < 0 {
        value / power
    } else {
        value * power
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::float_cmp)]
    use proptest::prelude::*;

    use super::*;

    fn formula(format: u8, linearisation: u8, factors: [u8; 6]) -> Formula {
        Formula {
            format: Format::from(format << 6),
            linearisation: Linearisation::from(linearisation),
            factors: Factors::read(&mut Bytes::of("factors", &factors)).unwrap(),
        }
    }

    /// M = 1 and nothing else.
    const PLAIN: [u8; 6] = [1, 0, 0, 0, 0, 0];

    #[test]
    fn every_linearisation_is_the_one_of_its_number() {
        let e = std::f64::consts::E;
        let expected: [f64; 12] = [
            8.0,
            8_f64.ln(),
            8_f64.log10(),
            3.0,
            e.powi(8),
            1e8,
            256.0,
            0.125,
            64.0,
            512.0,
            8_f64.sqrt(),
            2.0,
        ];
        for (number, expected) in (0..).zip(expected) {
            let value = formula(0, number, PLAIN).value(8).value().unwrap();
            assert!(
                (value - expected).abs() <= expected * 1e-12,
                "{number}: {value} {expected}"
            );
        }
        assert_eq!(formula(0, 12, PLAIN).value(8).reason(), Some(NoData::Unsupported));
        assert_eq!(formula(0, 0x70, PLAIN).value(8), Reading::Value(8.0));
    }

    #[test]
    fn what_has_no_finite_value_is_garbled_and_never_a_number() {
        for number in [1, 2, 3, 7] {
            assert_eq!(
                formula(0, number, PLAIN).value(0).reason(),
                Some(NoData::Garbled),
                "{number}"
            );
        }
    }

    #[test]
    fn signs_are_those_of_the_format() {
        for (format, raw, expected) in [
            (0, 0xFE, 254.0),
            (1, 0xFE, -1.0),
            (1, 0xFF, 0.0),
            (2, 0xFE, -2.0),
            (2, 0x80, -128.0),
        ] {
            assert_eq!(formula(format, 0, PLAIN).value(raw), Reading::Value(expected));
        }
        assert_eq!(formula(3, 0, PLAIN).value(1).reason(), Some(NoData::Unsupported));
    }

    #[test]
    fn factors_have_ten_and_four_bits_with_sign() {
        // M = -2, B = -1, K1 = 2, K2 = -3: (-2·10 - 100) / 1000.
        let factors = [0xFE, 0xC0, 0xFF, 0xC0, 0, 0xD2];
        let read = formula(0, 0, factors);
        assert_eq!(
            (
                read.factors.m,
                read.factors.b,
                read.factors.b_exponent,
                read.factors.r_exponent
            ),
            (-2, -1, 2, -3)
        );
        assert_eq!(read.value(10), Reading::Value(-0.12));
    }

    proptest! {
        #[test]
        fn any_formula_gives_a_finite_value_or_a_reason(units in any::<u8>(), kind in any::<u8>(), factors in any::<[u8; 6]>(), raw in any::<u8>()) {
            let formula = Formula {
                format: Format::from(units),
                linearisation: Linearisation::from(kind),
                factors: Factors::read(&mut Bytes::of("factors", &factors)).unwrap(),
            };
            prop_assert!(formula.value(raw).value().is_none_or(f64::is_finite));
        }
    }
}
