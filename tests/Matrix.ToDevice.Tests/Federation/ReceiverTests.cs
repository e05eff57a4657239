using System.Text;
using System.Text.Json;
using Microsoft.Extensions.DependencyInjection;

namespace Matrix.ToDevice.Tests;

/// <summary>Tests in which hs2 sends to devices of this server, hs1.</summary>
public abstract class ReceiverTests : HttpTests
{
    private protected FederationReceiver Receiver => Server.Services.GetRequiredService<FederationReceiver>();

    /// <summary>The content of an EDU from Carol.</summary>
    private protected static string Edu(
        string messages, string messageId = "m1", string sender = "@carol:hs2", string type = "m.room.encrypted") =>
        $$"""{"sender":{{Text(sender)}},"type":{{Text(type)}},"message_id":{{Text(messageId)}},"messages":{{messages}}}""";

    /// <summary>The content of an EDU with one message for Bob's device.</summary>
    private protected static string EduToBob(string content = "{}", string messageId = "m1", string sender = "@carol:hs2") =>
        Edu($$$"""{"@bob:hs1":{"B1":{{{content}}} } }""", messageId, sender);

    private protected ValueTask<ReceivedEdu> ReceiveAsync(string content, string origin = "hs2") =>
        Receiver.ReceiveAsync(origin, Encoding.UTF8.GetBytes(content), default);

    /// <summary>Receives a transaction of to-device EDUs with these contents.</summary>
    private protected ValueTask<ReceivedTransaction> ReceiveTransactionAsync(params IEnumerable<string> contents) => ReceiveBodyAsync($$"""
        {"origin":"hs2","origin_server_ts":1,"pdus":[],"edus":[{{string.Join(",", contents.Select(content => $$"""{"edu_type":"m.direct_to_device","content":{{content}}}"""))}}]}
        """);

    private protected ValueTask<ReceivedTransaction> ReceiveBodyAsync(string body) =>
        Receiver.ReceiveTransactionAsync("hs2", JsonElement.Parse(body, new JsonDocumentOptions { MaxDepth = 1000 }), default);

    private static string Text(string text) => JsonSerializer.Serialize(text);
}
