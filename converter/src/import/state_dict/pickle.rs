//! What stands in the pickle of a PyTorch file that its reader does not understand: sparse tensors, by their names.

use std::collections::HashMap;

/// What was pushed last, as far as it matters here.
#[derive(Clone)]
enum Top {
    Text(String),
    /// The function that makes a sparse tensor.
    Sparse,
    Other,
}

/// A sparse tensor: its name, and its layout if it is said, such as `torch.sparse_csr`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SparseTensor {
    pub(super) name: String,
    pub(super) layout: Option<String>,
}

/// The sparse tensors of a state dict's pickle, in its order: a name is the text that stands before a call of the function that
/// makes them. Nothing is executed; reading ends at the first opcode that `torch.save` does not write. O(length).
pub(super) fn sparse_tensors(pickle: &[u8]) -> Vec<SparseTensor> {
    let mut found = vec![];
    // What was found before something that is not understood is there all the same.
    let _ = walk(pickle, &mut found);
    found
}

/// Collects the sparse tensors; nothing if the end comes before its time.
fn walk(pickle: &[u8], found: &mut Vec<SparseTensor>) -> Option<()> {
    let mut rest = pickle;
    let mut memo: HashMap<usize, Top> = HashMap::new();
    let (mut top, mut key) = (Top::Other, None);
    loop {
        let opcode = take(&mut rest, 1)?[0];
        let mut get = None;
        match opcode {
            // Texts, after their lengths.
            0x8c | b'X' | 0x8d => {
                let width = match opcode {
                    0x8c => 1,
                    b'X' => 4,
                    _ => 8,
                };
                let length = number(take(&mut rest, width)?)?;
                top = Top::Text(String::from_utf8_lossy(take(&mut rest, length)?).into_owned());
            }
            // The name of a function, two lines.
            b'c' => {
                let (module, function) = (line(&mut rest)?, line(&mut rest)?);
                let sparse = module == b"torch._utils" && function.starts_with(b"_rebuild_sparse");
                top = if sparse { Top::Sparse } else { Top::Other };
            }
            // To the memo and from it.
            b'q' | b'r' => {
                let place = number(take(&mut rest, if opcode == b'q' { 1 } else { 4 })?)?;
                memo.insert(place, top.clone());
                continue;
            }
            0x94 => {
                memo.insert(memo.len(), top.clone());
                continue;
            }
            b'h' | b'j' => get = Some(number(take(&mut rest, if opcode == b'h' { 1 } else { 4 })?)?),
            // Numbers, versions, frames and bytes.
            0x80 | b'K' => skip(&mut rest, 1, &mut top)?,
            b'M' => skip(&mut rest, 2, &mut top)?,
            b'J' => skip(&mut rest, 4, &mut top)?,
            b'G' | 0x95 => skip(&mut rest, 8, &mut top)?,
            0x8a | b'C' => {
                let length = number(take(&mut rest, 1)?)?;
                skip(&mut rest, length, &mut top)?;
            }
            b'.' => return Some(()),
            // What takes things together and makes others of them.
            b'('
            | b')'
            | b't'
            | 0x85..=0x89
            | b'}'
            | b']'
            | b'R'
            | b'Q'
            | b'u'
            | b's'
            | b'e'
            | b'a'
            | b'b'
            | b'N'
            | b'0'
            | b'2'
            | 0x81 => top = Top::Other,
            _ => return None,
        }
        if let Some(place) = get {
            top = memo.get(&place)?.clone();
        }
        match &top {
            Top::Text(text) if text.starts_with("torch.sparse_") => {
                if let Some(SparseTensor { layout: layout @ None, .. }) = found.last_mut() {
                    *layout = Some(text.clone());
                }
            }
            Top::Text(text) => key = Some(text.clone()),
            Top::Sparse => found.push(SparseTensor { name: key.take()?, layout: None }),
            Top::Other => {}
        }
    }
}

fn skip(rest: &mut &[u8], length: usize, top: &mut Top) -> Option<()> {
    take(rest, length)?;
    *top = Top::Other;
    Some(())
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, behind) = rest.split_at_checked(length)?;
    *rest = behind;
    Some(taken)
}

fn line<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let end = rest.iter().position(|&byte| byte == b'\n')?;
    let line = take(rest, end)?;
    take(rest, 1)?;
    Some(line)
}

/// A number of at most 8 bytes, the lowest first.
fn number(bytes: &[u8]) -> Option<usize> {
    usize::try_from(bytes.iter().rev().fold(0_u64, |number, &byte| number << 8 | u64::from(byte))).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A text, put into the memo.
    fn text(text: &str, place: u8) -> Vec<u8> {
        [&b"X"[..], &(text.len() as u32).to_le_bytes(), text.as_bytes(), b"q", &[place]].concat()
    }

    #[test]
    fn sparse_tensors_are_found_by_name_and_layout_also_through_the_memo() {
        let function = b"ctorch._utils\n_rebuild_sparse_tensor\nq\x05";
        let pickle = [
            b"\x80\x02}q\x00(",
            &text("a", 1)[..],
            function,
            &text("torch.sparse_coo", 2),
            b"\x85R",
            &text("dense", 3),
            b"ctorch._utils\n_rebuild_tensor_v2\nq\x06K\x01J\x00\x00\x01\x00",
            &text("b", 4),
            b"h\x05",
            &text("torch.sparse_csr", 7),
            &text("c", 8),
            b"h\x05h\x07u.",
        ]
        .concat();
        let of = |name: &str, layout: &str| SparseTensor { name: name.into(), layout: Some(layout.into()) };
        let all = [of("a", "torch.sparse_coo"), of("b", "torch.sparse_csr"), of("c", "torch.sparse_csr")];
        assert_eq!(sparse_tensors(&pickle), all);
        // Cut anywhere, what stands before is found, and nothing else.
        for end in 0..pickle.len() {
            let found = sparse_tensors(&pickle[..end]);
            assert!(found.iter().zip(&all).all(|(found, of)| found.name == of.name), "{end}: {found:?}");
        }
        assert_eq!(sparse_tensors(b"X\xff\xff\xff\xffabc"), []);
        assert_eq!(sparse_tensors(b"h\x09"), []);
    }
}
