use super::words::STEPS_PER_WORD;
use crate::error::NetworkError;
use crate::kernel;
use crate::record::Raster;

/// The raster of given spikes, `[steps][neurons]` flags.
///
/// Cost: O(flags / 8 + spikes).
///
/// # Errors
/// If the number of flags is not a whole number of steps.
pub fn given(neurons: usize, flags: &[bool]) -> Result<Raster, NetworkError> {
    if neurons == 0 || !flags.len().is_multiple_of(neurons) {
        return Err(NetworkError::of_input(
            "raster",
            format!("has {} flags, which is not a whole number of steps of {neurons} neurons", flags.len()),
        ));
    }
    Ok(of_rows(&pack(neurons, flags), neurons.div_ceil(BITS)))
}

const BITS: usize = STEPS_PER_WORD;

/// The raster of rows of so many words, a bit for each neuron.
pub(crate) fn of_rows(words: &[u64], each: usize) -> Raster {
    let list = kernel::best().list;
    let (mut starts, mut neurons) = (vec![0], vec![]);
    for row in words.chunks_exact(each) {
        list(row, &mut neurons);
        starts.push(neurons.len());
    }
    Raster::from_parts(starts, neurons)
}

/// Flags, rows of so many, as bits, the first in the lowest; every row begins with a new word.
pub(crate) fn pack(row: usize, flags: &[bool]) -> Vec<u64> {
    let mut words = Vec::with_capacity(flags.len().div_ceil(row) * row.div_ceil(BITS));
    for row in flags.chunks_exact(row) {
        words.extend(row.chunks(BITS).map(|flags| {
            let (eights, rest) = flags.as_chunks::<8>();
            let whole =
                eights.iter().enumerate().fold(0, |word, (at, eight)| word | bits(*eight) << (8 * at));
            rest.iter()
                .enumerate()
                .fold(whole, |word, (at, &flag)| word | u64::from(flag) << (8 * eights.len() + at))
        }));
    }
    words
}

/// Eight flags as the low bits of a word. Flag `i` is bit `8 i` of a number; the factor has the bits `56 − 7 i`, so bit
/// `56 + i` of the product is flag `i`, and nothing else comes so high.
#[inline(always)]
fn bits(eight: [bool; 8]) -> u64 {
    u64::from_le_bytes(eight.map(u8::from)).wrapping_mul(0x0102_0408_1020_4080) >> 56
}

/// Rows of bits as `numpy.packbits` writes them, eight to a byte, the first in the highest, as rows of words with the first
/// in the lowest; the row and place of the first bit behind the last neuron that is set, if there is one.
pub(crate) fn unpack(row: usize, bytes: &[u8]) -> Result<Vec<u64>, (usize, usize)> {
    let (each, used) = (row.div_ceil(8), row % 8);
    let mut words = Vec::with_capacity(bytes.len().div_ceil(8));
    for (at, bytes) in bytes.chunks_exact(each).enumerate() {
        let behind = bytes.last().filter(|_| used > 0).map_or(0, |last| last << used);
        if behind != 0 {
            return Err((at, row + behind.leading_zeros() as usize));
        }
        words.extend(bytes.chunks(8).map(|bytes| {
            bytes
                .iter()
                .enumerate()
                .fold(0, |word, (at, byte)| word | u64::from(byte.reverse_bits()) << (8 * at))
        }));
    }
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_and_packed_bits_are_the_same_raster_for_every_width() {
        let mut state = 1;
        for neurons in [1, 7, 8, 9, 63, 64, 65, 200] {
            let flags: Vec<bool> = (0..5 * neurons)
                .map(|_| {
                    state = crate::encode::split_mix(state);
                    state.is_multiple_of(3)
                })
                .collect();
            let raster = given(neurons, &flags).unwrap();
            assert_eq!(raster.steps(), 5);
            let mut bytes = vec![];
            for (step, row) in flags.chunks_exact(neurons).enumerate() {
                let fired: Vec<u32> = (0..neurons as u32).filter(|&neuron| row[neuron as usize]).collect();
                assert_eq!(raster.step(step), fired, "{neurons} neurons, step {step}");
                bytes.extend(row.chunks(8).map(|eight| {
                    eight.iter().enumerate().fold(0_u8, |byte, (at, &flag)| byte | u8::from(flag) << (7 - at))
                }));
            }
            assert_eq!(unpack(neurons, &bytes), Ok(pack(neurons, &flags)), "{neurons} neurons");
        }
        // What stands behind the last neuron is no spike.
        assert_eq!(unpack(9, &[0, 0b1000_0000, 0xFF, 0b0010_0000]), Err((1, 9 + 1)));
        assert!(given(3, &[true; 4]).is_err() && given(0, &[]).is_err());
    }
}
