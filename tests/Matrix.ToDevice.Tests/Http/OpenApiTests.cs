using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;

namespace Matrix.ToDevice.Tests;

public class OpenApiTests
{
    [Test]
    public async Task R15_R20_R21_the_hosts_OpenAPI_document_shows_the_endpoint()
    {
        await using var server = await TestHomeserver.StartAsync(
            builder => builder.Services.AddOpenApi(),
            app =>
            {
                app.MapOpenApi();
                app.MapSendToDevice();
            });
        var document = JsonNode.Parse(await server.Http.GetStringAsync(new Uri("/openapi/v1.json", UriKind.Relative)))!;

        var paths = document["paths"]!.AsObject();
        Assert.That(paths.Select(path => path.Key), Is.EquivalentTo(new[]
        {
            "/_matrix/client/v3/sendToDevice/{eventType}/{txnId}",
            "/_matrix/client/r0/sendToDevice/{eventType}/{txnId}",
            "/_matrix/client/unstable/sendToDevice/{eventType}/{txnId}",
        }));
        foreach (var (_, path) in paths)
        {
            Assert.That(path!.AsObject().Select(operation => operation.Key), Is.EqualTo(new[] { "put" }));
            var put = path["put"]!;
            Assert.That(put["parameters"]!.AsArray().Select(parameter => $"{parameter!["in"]} {parameter["name"]} {parameter["required"]}"),
                Is.EqualTo(new[] { "path eventType true", "path txnId true" }));
            Assert.That(put["requestBody"]!["content"]!["application/json"], Is.Not.Null);
            Assert.That((bool?)put["requestBody"]!["required"], Is.True);
            Assert.That(put["responses"]!.AsObject().Select(response => response.Key),
                Is.EquivalentTo(new[] { "200", "400", "401", "413", "429", "503" }));
            Assert.That((string?)put["summary"], Is.Not.Empty);
        }

        Assert.That(paths.Select(path => (string?)path.Value!["put"]!["operationId"]), Is.Unique.And.None.Null);
    }
}
