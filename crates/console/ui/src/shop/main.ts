import { mount } from "svelte";
import "../styles/base.css";
import "./shop.css";
import App from "./App.svelte";

const target = document.getElementById("app");
if (target !== null) mount(App, { target });
