using System.Buffers;
using System.Runtime.InteropServices;
using System.Text.Json;
using System.Text.Unicode;

namespace Matrix.ToDevice;

/// <summary>
/// The one form of a JSON value that is signed (specification, appendices, "Canonical JSON"): no white space, the shortest escapes, keys
/// in the order of their code points. Any value can be encoded, however deep it is nested, in time that follows its length.
/// </summary>
/// <remarks>
/// Send the very bytes that you sign. A receiver that encodes a request again, as Synapse does, makes 1000.0 of <c>1e3</c>, and finds the
/// signature wrong.
/// </remarks>
public static class CanonicalJson
{
    /// <summary>
    /// Encodes a value that is going to be signed. Numbers become integers, however they are written: <c>1e3</c> and <c>1000.0</c> are
    /// 1000, and <c>-0</c> is 0 (D20).
    /// </summary>
    /// <param name="json">One JSON value, in UTF-8.</param>
    /// <param name="without">Keys of the outermost object that are left out with all that they hold, such as <c>signatures</c>.</param>
    /// <exception cref="CanonicalJsonException">
    /// It has no canonical form: a number is not whole or is beyond ±(2^53 − 1), a key is there twice in an object, or a string holds half
    /// a surrogate pair.
    /// </exception>
    /// <exception cref="JsonException">It is not one JSON value in UTF-8.</exception>
    public static byte[] Encode(ReadOnlySpan<byte> json, params ReadOnlySpan<string> without) =>
        Encode(json.ToArray(), asWritten: false, without);

    /// <inheritdoc cref="Encode(ReadOnlySpan{byte}, ReadOnlySpan{string})"/>
    /// <param name="value">The value.</param>
    /// <param name="without">Keys of the outermost object that are left out with all that they hold, such as <c>signatures</c>.</param>
    public static byte[] Encode(JsonElement value, params ReadOnlySpan<string> without) =>
        Encode(TextOf(value), asWritten: false, without);

    /// <summary>
    /// Encodes a value that somebody else has signed. What a strict encoder refuses stays as it was written, since other servers sign it
    /// too: numbers of any form and size, keys that are there twice, one behind the other, and half surrogates, as lower-case escapes (D20).
    /// </summary>
    /// <inheritdoc cref="Encode(ReadOnlySpan{byte}, ReadOnlySpan{string})" path="/param"/>
    /// <exception cref="JsonException">It is not one JSON value in UTF-8.</exception>
    public static byte[] EncodeAsWritten(ReadOnlySpan<byte> json, params ReadOnlySpan<string> without) =>
        Encode(json.ToArray(), asWritten: true, without);

    /// <inheritdoc cref="EncodeAsWritten(ReadOnlySpan{byte}, ReadOnlySpan{string})"/>
    /// <param name="value">The value.</param>
    /// <param name="without">Keys of the outermost object that are left out with all that they hold, such as <c>signatures</c>.</param>
    public static byte[] EncodeAsWritten(JsonElement value, params ReadOnlySpan<string> without) =>
        Encode(TextOf(value), asWritten: true, without);

    /// <inheritdoc cref="Encode(ReadOnlySpan{byte}, ReadOnlySpan{string})"/>
    /// <param name="json">One JSON value, in UTF-8.</param>
    /// <param name="output">Where it goes; when this throws, part of it may be there.</param>
    internal static void Encode(ReadOnlyMemory<byte> json, IBufferWriter<byte> output) => Encode(json, asWritten: false, [], output);

    private static byte[] Encode(ReadOnlyMemory<byte> json, bool asWritten, ReadOnlySpan<string> without)
    {
        var output = new ArrayBufferWriter<byte>(json.Length + 1);
        Encode(json, asWritten, without, output);
        return output.WrittenSpan.ToArray();
    }

    private static void Encode(ReadOnlyMemory<byte> json, bool asWritten, ReadOnlySpan<string> without, IBufferWriter<byte> output)
    {
        if (!Utf8.IsValid(json.Span)) throw new JsonException("The value is not UTF-8");
        new CanonicalWriter(json, MemberOrder.Of(json, without, refusesDuplicates: !asWritten), asWritten, output).Write();
    }

    private static byte[] TextOf(JsonElement value) => value.ValueKind == JsonValueKind.Undefined
        ? throw new JsonException("There is no value")
        : JsonMarshal.GetRawUtf8Value(value).ToArray();
}
