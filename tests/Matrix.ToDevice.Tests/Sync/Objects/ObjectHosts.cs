using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Newtonsoft.Json.Linq;

namespace Matrix.ToDevice.Tests;

/// <summary>Homeservers whose <c>/sync</c> returns an object.</summary>
internal static class ObjectHosts
{
    public const string MinimalApi = "minimal API", Mvc = "MVC", Newtonsoft = "Newtonsoft";

    public static Task<TestHomeserver> StartAsync(string shape, Action<ISendToDeviceBuilder>? more = null) => TestHomeserver.StartAsync(
        builder =>
        {
            builder.Services.AddSingleton<ObjectSync>();
            var naming = JsonNamingPolicy.SnakeCaseLower;
            if (shape == MinimalApi) builder.Services.ConfigureHttpJsonOptions(json => json.SerializerOptions.PropertyNamingPolicy = naming);
            if (shape == Mvc)
            {
                builder.Services.AddControllers().AddApplicationPart(typeof(SyncController).Assembly)
                    .AddJsonOptions(json => json.JsonSerializerOptions.PropertyNamingPolicy = naming);
            }

            more?.Invoke(builder);
        },
        app =>
        {
            app.UseToDeviceErrors();
            app.MapSendToDevice();
            if (shape == Mvc) app.MapControllers();
            if (shape == MinimalApi) app.MapGet("/_matrix/client/v3/sync", (HttpContext context, ObjectSync sync, string? since) => sync.SyncAsync(context, since));
            if (shape == Newtonsoft)
            {
                app.MapGet("/_matrix/client/v3/sync", async (HttpContext context, ObjectSync sync, string? since) =>
                    Results.Text(Serialize(await sync.SyncAsync(context, since)), "application/json"));
            }
        });

    // <newtonsoft>
    private static string Serialize(SyncResponse response) => new JObject
    {
        ["next_batch"] = response.NextBatch,
        ["to_device"] = new JObject
        {
            ["events"] = new JArray(response.ToDevice.Events.Select(e => new JObject
            {
                ["sender"] = e.Sender,
                ["type"] = e.Type,
                ["content"] = new JRaw(e.ContentJson),
            })),
        },
    }.ToString();
    // </newtonsoft>
}
