using System.Text.Json;
using System.Text.Unicode;

namespace Matrix.ToDevice;

/// <summary>
/// A transaction that another server has sent, whatever it has put into it: a PDU or an EDU that is malformed, or nests deep, says
/// nothing about those beside it (D15). Read in one pass, without building a document: that takes long when it is deep.
/// </summary>
public sealed class InboundTransaction
{
    /// <summary>The most PDUs that a transaction may hold (R83).</summary>
    public const int MaxPdus = 50;

    /// <summary>The most EDUs that a transaction may hold (R83).</summary>
    public const int MaxEdus = 100;

    private InboundTransaction(string? origin, IReadOnlyList<ReadOnlyMemory<byte>> pdus, IReadOnlyList<InboundEdu> edus) =>
        (Origin, Pdus, Edus) = (origin, pdus, edus);

    /// <summary>The server that it says it is from, if it does. Who it is from, the signature tells.</summary>
    public string? Origin { get; }

    /// <summary>The PDUs: each a JSON value in UTF-8, of any form and depth.</summary>
    public IReadOnlyList<ReadOnlyMemory<byte>> Pdus { get; }

    /// <summary>The EDUs, without those that do not say their type.</summary>
    public IReadOnlyList<InboundEdu> Edus { get; }

    /// <summary>Reads the body of a request. The result holds slices of it.</summary>
    /// <param name="body">The body.</param>
    /// <exception cref="ToDeviceErrorException">
    /// 400 <c>M_NOT_JSON</c>: it is not JSON in UTF-8. 400 <c>M_BAD_JSON</c>: it is not an object, one of <c>origin</c>, <c>pdus</c> and
    /// <c>edus</c> is there twice or of another type, or there are more than 50 PDUs or 100 EDUs (R83).
    /// </exception>
    public static InboundTransaction Read(ReadOnlyMemory<byte> body)
    {
        if (!Utf8.IsValid(body.Span)) throw NotJson();
        try
        {
            return ReadObject(body);
        }
        catch (JsonException)
        {
            throw NotJson();
        }
    }

    private static InboundTransaction ReadObject(ReadOnlyMemory<byte> body)
    {
        var reader = new Utf8JsonReader(body.Span, new JsonReaderOptions { MaxDepth = int.MaxValue });
        reader.Read();
        if (reader.TokenType != JsonTokenType.StartObject) throw BadJson("The body is not an object");

        string? origin = null;
        List<ReadOnlyMemory<byte>>? pdus = null, edus = null;
        var origins = 0;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var name = reader.ValueSpan;
            if (JsonText.Equals(name, "pdus"u8))
            {
                if (pdus is not null) throw BadJson("pdus is there twice");
                pdus = ReadList(ref reader, body, "pdus", MaxPdus);
            }
            else if (JsonText.Equals(name, "edus"u8))
            {
                if (edus is not null) throw BadJson("edus is there twice");
                edus = ReadList(ref reader, body, "edus", MaxEdus);
            }
            else if (JsonText.Equals(name, "origin"u8))
            {
                if (++origins > 1) throw BadJson("origin is there twice");
                origin = ReadText(ref reader);
            }
            else
            {
                reader.Skip();
            }
        }

        reader.Read(); // Throws when anything follows.
        return new InboundTransaction(origin, pdus ?? [], edus is null ? [] : [.. edus.Select(InboundEdu.Read).OfType<InboundEdu>()]);
    }

    private static List<ReadOnlyMemory<byte>> ReadList(ref Utf8JsonReader reader, ReadOnlyMemory<byte> body, string name, int atMost)
    {
        List<ReadOnlyMemory<byte>> items = [];
        reader.Read();
        if (reader.TokenType == JsonTokenType.Null) return items;
        if (reader.TokenType != JsonTokenType.StartArray) throw BadJson($"{name} is not an array");

        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            if (items.Count == atMost) throw BadJson($"A transaction has at most {atMost} {name}");
            var start = (int)reader.TokenStartIndex;
            reader.Skip();
            items.Add(body[start..(int)reader.BytesConsumed]);
        }

        return items;
    }

    private static string? ReadText(ref Utf8JsonReader reader)
    {
        reader.Read();
        if (reader.TokenType == JsonTokenType.Null) return null;
        return (reader.TokenType == JsonTokenType.String ? JsonText.Decode(reader.ValueSpan) : null) ?? throw BadJson("origin is not a text");
    }

    private static ToDeviceErrorException NotJson() => new(ToDeviceError.NotJson("The body is not JSON"));

    private static ToDeviceErrorException BadJson(string error) => new(ToDeviceError.BadJson(error));
}
