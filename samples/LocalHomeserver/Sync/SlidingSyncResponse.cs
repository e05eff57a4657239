using System.Text.Json;
using Matrix.ToDevice;

namespace LocalHomeserver;

/// <summary>The response to a sliding sync.</summary>
internal sealed class SlidingSyncResponse(DeviceAddress device, SlidingSyncBody body, SyncRequest request, ExtensionNames names)
{
    public void Write(Utf8JsonWriter json, SyncNews news)
    {
        json.WriteStartObject();
        json.WriteString("pos", SlidingSyncPos.Format(device, body.ConnId, PositionAfter(news)));
        if (body.TxnId is { } txnId) json.WriteString("txn_id", txnId);
        WriteLists(json);
        json.WriteStartObject("rooms");
        json.WriteEndObject();
        WriteExtensions(json, news);
        json.WriteEndObject();
    }

    // A client that has not been told about the changes of keys gets them when it enables the extension.
    private long PositionAfter(SyncNews news) => request.WantsKeys ? news.Others.Keys.Position : request.Keys ?? news.Others.Keys.Position;

    private void WriteLists(Utf8JsonWriter json)
    {
        json.WriteStartObject("lists");
        foreach (var name in body.Lists?.Keys.AsEnumerable() ?? [])
        {
            json.WriteStartObject(name);
            json.WriteNumber("count", 0);
            json.WriteEndObject();
        }

        json.WriteEndObject();
    }

    private void WriteExtensions(Utf8JsonWriter json, SyncNews news)
    {
        json.WriteStartObject("extensions");
        if (!news.Messages.IsEmpty)
        {
            json.WritePropertyName(names.ToDevice);
            news.Messages.WriteExtensionTo(json);
        }

        if (request.WantsKeys)
        {
            json.WriteStartObject(names.Keys);
            // Without a pos the client has to ask for all the keys that it needs anyway (MSC4543).
            if (request.Keys is not null) news.Others.Keys.WriteListsTo(json);
            news.Others.Keys.WriteOwnTo(json);
            json.WriteEndObject();
        }

        json.WriteEndObject();
    }
}
