using Microsoft.AspNetCore.Http.HttpResults;

namespace LocalHomeserver;

/// <summary>What clients ask before they start, and what this server always says.</summary>
internal static class ServerFacts
{
    // Up to v1.11: from v1.20 on, a server need not read the token in the query any more, which older clients send (R8).
    private const string Versions =
        """
        {"versions":["r0.6.1","v1.1","v1.2","v1.3","v1.4","v1.5","v1.6","v1.7","v1.8","v1.9","v1.10","v1.11"],"unstable_features":{"org.matrix.msc3814":true,"org.matrix.simplified_msc3575":true,"org.matrix.msc4538":true,"org.matrix.msc4543":true}}
        """;

    private const string Capabilities =
        """
        {"capabilities":{"m.change_password":{"enabled":false},"m.set_displayname":{"enabled":false},"m.set_avatar_url":{"enabled":false},"m.3pid_changes":{"enabled":false},"m.get_login_token":{"enabled":false},"m.room_versions":{"default":"10","available":{"10":"stable"}}}}
        """;

    private const string PushRules =
        """
        {"global":{"override":[],"content":[],"room":[],"sender":[],"underride":[]}}
        """;

    public static void MapVersions(this IEndpointRouteBuilder app) => app.MapGet("/_matrix/client/versions", () => Json(Versions));

    public static void MapServerFacts(this IEndpointRouteBuilder client)
    {
        client.MapGet("/capabilities", (Caller _) => Json(Capabilities));
        client.MapGet("/pushrules/", (Caller _) => Json(PushRules));

        // Clients look for a key backup before they encrypt: here there is none, as opposed to no such endpoint.
        client.MapGet("/room_keys/version", IResult (Caller _) => throw Errors.NotFound("There is no key backup"));
    }

    private static ContentHttpResult Json(string text) => TypedResults.Text(text, "application/json");
}
