//! The binary interface: how a symbol is exported, how an answer is written to the caller, and what a handle is.

use std::ffi::{c_char, c_uint};
use std::ptr::without_provenance_mut;

use nvml_wrapper_sys::bindings::{
    nvmlDevice_st, nvmlDevice_t, nvmlReturn_enum_NVML_ERROR_INSUFFICIENT_SIZE,
    nvmlReturn_enum_NVML_ERROR_INVALID_ARGUMENT, nvmlReturn_enum_NVML_SUCCESS, nvmlReturn_t,
};

use crate::state::{World, look};

/// What a call answers: nothing, or NVML's number of the error.
pub(crate) type Answer = Result<(), nvmlReturn_t>;

/// How many bits of a device's handle count GPUs; the bits above count the MIG devices of that GPU.
const GPU_BITS: u32 = 16;

/// Exports functions under NVML's names. Each gets the world as the file has it at this moment, under the name that stands first.
macro_rules! exported {
    ($(fn $name:ident($world:ident $(, $argument:ident: $type:ty)* $(,)?) $body:block)*) => {
        $(
            // SAFETY: the names are NVML's own; whoever loads this library loads it in the place of NVML.
            #[unsafe(no_mangle)]
            #[allow(non_snake_case)]
            extern "C" fn $name($($argument: $type),*) -> nvml_wrapper_sys::bindings::nvmlReturn_t {
                crate::abi::answer(stringify!($name), |$world| $body)
            }
        )*
    };
}
pub(crate) use exported;

/// Answers one call.
pub(crate) fn answer(symbol: &str, say: impl FnOnce(&World) -> Answer) -> nvmlReturn_t {
    match look(symbol).and_then(|world| say(&world)) {
        Ok(()) => nvmlReturn_enum_NVML_SUCCESS,
        Err(code) => code,
    }
}

/// Writes a value where the caller wants it.
pub(crate) fn put<T>(place: *mut T, value: T) -> Answer {
    if place.is_null() || !place.is_aligned() {
        return Err(nvmlReturn_enum_NVML_ERROR_INVALID_ARGUMENT);
    }
    // SAFETY: nvml.h wants a pointer to a variable of this type that the caller may write; null and crooked ones are refused above.
    unsafe { place.write(value) };
    Ok(())
}

/// Reads a value that the caller has prepared, such as the version of a structure.
pub(crate) fn take<T: Copy>(place: *const T) -> Result<T, nvmlReturn_t> {
    if place.is_null() || !place.is_aligned() {
        return Err(nvmlReturn_enum_NVML_ERROR_INVALID_ARGUMENT);
    }
    // SAFETY: nvml.h wants a pointer to a variable of this type that the caller has set; null and crooked ones are refused above.
    Ok(unsafe { place.read() })
}

/// Writes a text and its end into the caller's buffer.
pub(crate) fn put_text(place: *mut c_char, length: c_uint, text: &str) -> Answer {
    let bytes = characters(text);
    let room = usize::try_from(length).unwrap_or(0);
    if bytes.len() >= room {
        return Err(nvmlReturn_enum_NVML_ERROR_INSUFFICIENT_SIZE);
    }
    for (at, byte) in bytes.into_iter().chain([0]).enumerate() {
        put(place.wrapping_add(at), byte)?;
    }
    Ok(())
}

/// The longest text that is read from a caller; NVML's own buffers for ids have 96.
const LONGEST_TEXT: usize = 96;

/// A text of the caller, up to its end.
pub(crate) fn text_of(place: *const c_char) -> Result<String, nvmlReturn_t> {
    let mut bytes = Vec::new();
    for at in 0..LONGEST_TEXT {
        match take(place.wrapping_add(at))?.to_ne_bytes() {
            [0] => return String::from_utf8(bytes).map_err(|_| nvmlReturn_enum_NVML_ERROR_INVALID_ARGUMENT),
            [byte] => bytes.push(byte),
        }
    }
    Err(nvmlReturn_enum_NVML_ERROR_INVALID_ARGUMENT)
}

/// A text as C's characters, without its end.
pub(crate) fn characters(text: &str) -> Vec<c_char> {
    text.bytes()
        .filter(|byte| *byte != 0)
        .map(|byte| c_char::from_ne_bytes([byte]))
        .collect()
}

/// A text in an array of C's characters, cut where it is too long; the last one stays 0.
pub(crate) fn text_in<const LENGTH: usize>(text: &str) -> [c_char; LENGTH] {
    let mut array = [0; LENGTH];
    let room = LENGTH.saturating_sub(1);
    for (place, byte) in array.iter_mut().take(room).zip(characters(text)) {
        *place = byte;
    }
    array
}

/// Which GPU, and which MIG device of it, a handle means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Handle {
    pub(crate) gpu: usize,
    pub(crate) mig: Option<usize>,
}

impl Handle {
    /// The handle as C sees it: never null, and no memory that anybody may read.
    pub(crate) fn to_c(self) -> nvmlDevice_t {
        let mig = self.mig.map_or(0, |mig| mig + 1) << GPU_BITS;
        without_provenance_mut::<nvmlDevice_st>(mig | (self.gpu + 1))
    }

    /// What C handed in.
    pub(crate) fn of(device: nvmlDevice_t) -> Result<Handle, nvmlReturn_t> {
        let number = device.addr();
        let gpu = number & ((1 << GPU_BITS) - 1);
        let gpu = gpu
            .checked_sub(1)
            .ok_or(nvmlReturn_enum_NVML_ERROR_INVALID_ARGUMENT)?;
        Ok(Handle {
            gpu,
            mig: (number >> GPU_BITS).checked_sub(1),
        })
    }
}
