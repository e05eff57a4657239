using System.Globalization;
using System.Net.Http.Json;
using System.Text.Json;

namespace Matrix.ToDevice.Bench;

/// <summary>The users of the load, registered at the sample host.</summary>
internal static class SampleAccounts
{
    /// <summary>Registers all recipients; the result are their access tokens.</summary>
    public static async Task<string[]> RegisterAsync(Uri server)
    {
        using var http = new HttpClient { BaseAddress = server };
        var tokens = new string[Body.Recipients];
        for (var i = 0; i < tokens.Length; i++)
        {
            var response = await http.PostAsJsonAsync("/_matrix/client/v3/register", new Dictionary<string, object>
            {
                ["username"] = string.Create(CultureInfo.InvariantCulture, $"user{i}"),
                ["password"] = "correct horse battery staple",
                ["device_id"] = Body.DeviceId,
                ["auth"] = new Dictionary<string, string> { ["type"] = "m.login.dummy" },
            });
            response.EnsureSuccessStatusCode();
            var body = await response.Content.ReadFromJsonAsync<JsonElement>();
            tokens[i] = body.GetProperty("access_token").GetString()!;
        }

        return tokens;
    }
}
