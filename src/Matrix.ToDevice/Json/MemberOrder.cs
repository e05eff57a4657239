using System.Buffers;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;

namespace Matrix.ToDevice;

/// <summary>
/// Those objects of a JSON value whose members do not stand in the order of canonical JSON, and their order. Found in one pass, without
/// recursion: the value may nest as deep as it is long.
/// </summary>
internal sealed class MemberOrder
{
    private readonly ReadOnlyMemory<byte> _json;
    private readonly bool _refusesDuplicates;

    // The objects that are open, and their members so far.
    private readonly List<OpenObject> _open = [];
    private readonly List<Member> _members = [];

    // Names that are written with escapes, without them.
    private readonly ArrayBufferWriter<byte> _unescaped = new();

    private readonly Dictionary<int, (int First, int Count, int End)> _reordered = [];
    private readonly List<Member> _ordered = [];

    private MemberOrder(ReadOnlyMemory<byte> json, bool refusesDuplicates) => (_json, _refusesDuplicates) = (json, refusesDuplicates);

    /// <summary>Reads a value.</summary>
    /// <param name="json">One JSON value, in valid UTF-8.</param>
    /// <param name="without">Keys of the outermost object that are left out, unseen.</param>
    /// <param name="refusesDuplicates">Whether a key may be in an object once; otherwise the one that was written first comes first.</param>
    /// <exception cref="CanonicalJsonException">A key is there twice.</exception>
    /// <exception cref="JsonException">It is not one JSON value.</exception>
    public static MemberOrder Of(ReadOnlyMemory<byte> json, ReadOnlySpan<string> without, bool refusesDuplicates)
    {
        var order = new MemberOrder(json, refusesDuplicates);
        var reader = new Utf8JsonReader(json.Span, new JsonReaderOptions { MaxDepth = int.MaxValue });
        var end = 0;
        while (reader.Read())
        {
            switch (reader.TokenType)
            {
                case JsonTokenType.StartObject:
                    order._open.Add(new OpenObject((int)reader.TokenStartIndex, order._members.Count));
                    break;
                case JsonTokenType.PropertyName:
                    order.EndMember(end);
                    order.Add(ref reader, without);
                    break;
                case JsonTokenType.EndObject:
                    order.EndMember(end);
                    order.Close((int)reader.TokenStartIndex);
                    break;
            }

            end = (int)reader.BytesConsumed;
        }

        return order;
    }

    /// <summary>The members of an object in their order; false when they stand in it.</summary>
    /// <param name="start">Where the object's brace opens.</param>
    /// <param name="members">The members.</param>
    /// <param name="end">Where the object's brace closes.</param>
    public bool TryGetMembers(int start, out ReadOnlySpan<Member> members, out int end)
    {
        var found = _reordered.TryGetValue(start, out var reordered);
        members = CollectionsMarshal.AsSpan(_ordered).Slice(reordered.First, reordered.Count);
        end = reordered.End;
        return found;
    }

    private void Add(ref Utf8JsonReader reader, ReadOnlySpan<string> without)
    {
        ref var owner = ref CollectionsMarshal.AsSpan(_open)[^1];
        if (reader.CurrentDepth == 1 && IsOneOf(without, reader.ValueSpan))
        {
            owner.IsInOrder = false;
            reader.Skip();
            return;
        }

        var start = (int)reader.TokenStartIndex;
        var member = reader.ValueIsEscaped
            ? new Member(start, ~_unescaped.WrittenCount, Unescape(reader.ValueSpan))
            : new Member(start, start + 1, reader.ValueSpan.Length);
        if (_members.Count > owner.FirstMember)
        {
            var order = NameOf(_members[^1]).SequenceCompareTo(NameOf(member));
            if (order == 0) RefuseDuplicate();
            if (order > 0) owner.IsInOrder = false;
        }

        _members.Add(member);
    }

    /// <summary>The innermost object's latest member ends, if it has not ended before.</summary>
    private void EndMember(int end)
    {
        if (_members.Count == _open[^1].FirstMember) return;
        ref var member = ref CollectionsMarshal.AsSpan(_members)[^1];
        if (member.End == 0) member.End = end;
    }

    private void Close(int end)
    {
        var closed = _open[^1];
        _open.RemoveAt(_open.Count - 1);
        if (!closed.IsInOrder)
        {
            var members = CollectionsMarshal.AsSpan(_members)[closed.FirstMember..];
            members.Sort(Compare);
            for (var i = 1; i < members.Length; i++)
                if (NameOf(members[i - 1]).SequenceEqual(NameOf(members[i]))) RefuseDuplicate();
            _reordered.Add(closed.Start, (_ordered.Count, members.Length, end));
            _ordered.AddRange(members);
        }

        _members.RemoveRange(closed.FirstMember, _members.Count - closed.FirstMember);
    }

    // The order of UTF-8's bytes is the order of code points; that of .NET's strings is not.
    private int Compare(Member one, Member other)
    {
        var order = NameOf(one).SequenceCompareTo(NameOf(other));
        return order != 0 ? order : one.Start.CompareTo(other.Start);
    }

    private ReadOnlySpan<byte> NameOf(Member member) => member.NameStart >= 0
        ? _json.Span.Slice(member.NameStart, member.NameLength)
        : _unescaped.WrittenSpan.Slice(~member.NameStart, member.NameLength);

    private int Unescape(ReadOnlySpan<byte> name)
    {
        var before = _unescaped.WrittenCount;
        while (true)
        {
            var plain = name.IndexOf((byte)'\\') is var escape and >= 0 ? escape : name.Length;
            _unescaped.Write(name[..plain]);
            if (plain == name.Length) return _unescaped.WrittenCount - before;

            name = name[plain..];
            Write(JsonText.TakeEscape(ref name));
        }
    }

    // Half a surrogate pair has no UTF-8; these three bytes stand where its code point would.
    private void Write(int value)
    {
        var utf8 = _unescaped.GetSpan(4);
        if (Rune.TryCreate(value, out var rune))
        {
            _unescaped.Advance(rune.EncodeToUtf8(utf8));
            return;
        }

        utf8[0] = (byte)(0xe0 | (value >> 12));
        utf8[1] = (byte)(0x80 | ((value >> 6) & 0x3f));
        utf8[2] = (byte)(0x80 | (value & 0x3f));
        _unescaped.Advance(3);
    }

    private void RefuseDuplicate()
    {
        // Readers differ in which of the two they take: one would be signed, the other one read.
        if (_refusesDuplicates) throw new CanonicalJsonException("A key is there twice");
    }

    private static bool IsOneOf(ReadOnlySpan<string> names, ReadOnlySpan<byte> escaped)
    {
        foreach (var name in names)
            if (JsonText.Equals(escaped, Encoding.UTF8.GetBytes(name))) return true;
        return false;
    }

    /// <summary>A key of an object with its value.</summary>
    /// <param name="start">Where the key's quote opens.</param>
    /// <param name="nameStart">Where the name stands in the value; a complement: in what was unescaped.</param>
    /// <param name="nameLength">How long the name is, in bytes.</param>
    internal struct Member(int start, int nameStart, int nameLength)
    {
        public readonly int Start = start;
        public readonly int NameStart = nameStart;
        public readonly int NameLength = nameLength;

        /// <summary>Where the value has ended; 0 before it has.</summary>
        public int End;
    }

    private struct OpenObject(int start, int firstMember)
    {
        public readonly int Start = start;
        public readonly int FirstMember = firstMember;
        public bool IsInOrder = true;
    }
}
