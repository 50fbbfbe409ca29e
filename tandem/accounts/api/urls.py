"""Users and signing in; mounted at the root, for contract A's login stands outside of /api/."""

from __future__ import annotations

from django.urls import path

from tandem.accounts.api import auth, me, users

urlpatterns = [
    # F 1. Authentication
    path("api/auth/login/", auth.Login.as_view()),
    path("api/auth/token/register/", auth.Register.as_view()),
    path("api/auth/register/", auth.Register.as_view()),
    path("api/auth/token/refresh/", auth.Refresh.as_view()),
    path("api/auth/logout/", auth.Logout.as_view()),
    path("api/auth/change-password/", auth.ChangePassword.as_view()),
    # F 2. Users
    path("api/auth/me/", me.Me.as_view()),
    path("api/auth/admin/users/", users.UserList.as_view()),
    path("api/auth/admin/users/<int:pk>/", users.UserDetail.as_view()),
    path("api/auth/admin/users/<int:pk>/update/", users.UserUpdate.as_view()),
    path("api/auth/admin/users/<int:pk>/change-password/", users.UserPassword.as_view()),
    # A Authentication
    path("api-token-auth/", auth.ObtainKey.as_view()),
    path("api/api-token-auth/", auth.ObtainKey.as_view()),
    path("api/me/", me.Context.as_view()),
    path("api/logout/", auth.DeleteKey.as_view()),
]
